import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { AppDeps } from './deps.ts';
import { refuse } from './http-errors.ts';
import { httpMetrics } from './http-metrics.ts';
import { aiAuditRoutes } from './routes/ai-audit.ts';
import { healthRoutes } from './routes/health.ts';
import { internalRoutes } from './routes/internal.ts';
import { meRoutes } from './routes/me.ts';
import { runnerKeyRoutes } from './routes/runner-key.ts';

export type { AppDeps, RunnerHealth, UserMissionsPort } from './deps.ts';

const MOST_BODY_BYTES = 64 * 1_024;

/** The runner's HTTP API. With a malformed configuration every route answers 503 and names the variable. */
export function createApp({ config: parsed, ...deps }: AppDeps): Hono {
  const app = new Hono();
  app.use(httpMetrics(deps));
  app.use(async (c, next) => {
    await next();
    c.header('cache-control', 'no-store');
  });
  app.notFound((c) => refuse(c, 'NOT_FOUND', 'There is no such route.'));
  app.onError((_thrown, c) => {
    // What was thrown may hold anything; its sentence stays out of the answer and of the log.
    deps.logger.error('a request failed', { code: 'INTERNAL', method: c.req.method });
    return refuse(c, 'INTERNAL', 'Something went wrong on the server.');
  });
  if (!parsed.ok) {
    const sentence = `${parsed.variable} ${parsed.message}.`;
    app.all('*', (c) => refuse(c, 'CONFIG_INVALID', sentence));
    return app;
  }
  app.use(
    bodyLimit({
      maxSize: MOST_BODY_BYTES,
      onError: (c) => refuse(c, 'BODY_TOO_LARGE', `The body is larger than ${MOST_BODY_BYTES} bytes.`),
    }),
  );
  const routeDeps = { ...deps, config: parsed.config };
  healthRoutes(app, routeDeps);
  internalRoutes(app, routeDeps);
  meRoutes(app, routeDeps);
  runnerKeyRoutes(app, routeDeps);
  aiAuditRoutes(app, routeDeps);
  return app;
}
