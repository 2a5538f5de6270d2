import { renderUnicodeCompact } from 'uqr';
import { CliError, EXIT } from '../cli-error.ts';
import { type Command, type Context, textOption } from '../context.ts';

type Link = { url: string; expiresAt: string };

export const LOGIN: Command = {
  name: 'login',
  summary: 'a link that signs a browser in at the console, once, within 15 minutes',
  anonymous: true,
  options: {
    user: { type: 'string', help: 'whose link; needs MANA_SERVICE_KEY. Else your own' },
  },
  run: async (context, _positionals, values) => {
    const { url, expiresAt } = await linkOf(context, textOption(values, 'user'));
    const { terminal, json } = context;
    if (json) return terminal.print(JSON.stringify({ url, expiresAt }));
    terminal.print(renderUnicodeCompact(url));
    return terminal.print(`${url}\n\nIt signs in once, until ${expiresAt}. Show it to nobody.`);
  },
};

async function linkOf({ api }: Context, userId: string | undefined): Promise<Link> {
  const request = { method: 'POST', body: userId === undefined ? {} : { userId } };
  if (userId === undefined) return (await api.auth('/api/v1/me/sign-in-links', request)) as Link;
  const link = await api.authOperator('/internal/sign-in-links', request);
  if (link !== null) return link as Link;
  throw new CliError(EXIT.usage, '--user needs MANA_SERVICE_KEY, or MANA_SERVICE_KEY_FILE.');
}
