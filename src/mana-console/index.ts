import { passOn, type Upstream } from './pass-on.ts';
import { type Files, PageFiles } from './page-files.ts';

type ManaConsoleEnv = {
  MANA_AI: Upstream;
  MANA_AUTH: Upstream;
  /** the built page: a folder on disk, or the assets of a deployment to Cloudflare */
  PAGE: Files;
};

let page: PageFiles | undefined;

/** The page and the API in one origin. Never a route of operators: those are reached at the Workers themselves. */
export default {
  async fetch(request, env): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === '/health') return Response.json({ status: 'ok' });
    const passed = passOn(request, url, env);
    if (passed !== null) return passed;
    page ??= new PageFiles(env.PAGE);
    return page.answer(request, url.pathname);
  },
} satisfies ExportedHandler<ManaConsoleEnv>;
