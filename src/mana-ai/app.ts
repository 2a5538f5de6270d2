import { Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { drainedBodies } from '../http/body.ts';
import { describeRoutes } from '../http/describe.ts';
import { requestIdOf, requestIds } from '../http/request-id.ts';
import type { AppDeps } from './deps.ts';
import { refuse } from './http-errors.ts';
import { httpMetrics } from './http-metrics.ts';
import { aiAuditRoutes } from './routes/ai-audit.ts';
import { deviceRoutes, MOST_BODY_BYTES, MOST_MISSION_BYTES } from './routes/device.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { internalRoutes } from './routes/internal.ts';
import { meRoutes } from './routes/me.ts';
import { runnerKeyRoutes } from './routes/runner-key.ts';

export type { AppDeps, RunnerHealth, UserMissionsPort } from './deps.ts';

const ABOUT = {
  title: 'mana-ai',
  version: '0.1.0',
  description:
    'The runner of mana-edge: missions of people, and what their operator needs. Errors are { error, code }.',
};

const MISSION_PATH = /^\/api\/v1\/me\/missions(?:\/[^/]+)?$/;

/** The runner's HTTP API. With a malformed configuration every route answers 503 and names the variable. */
export function createApp({ config: parsed, ...deps }: AppDeps): Hono {
  const app = new Hono();
  app.use(requestIds);
  app.use(httpMetrics(deps));
  app.use(drainedBodies);
  app.use(async (c, next) => {
    await next();
    c.header('cache-control', 'no-store');
  });
  app.notFound((c) => refuse(c, 'NOT_FOUND', 'There is no such route.'));
  app.onError((_thrown, c) => {
    // What was thrown may hold anything; its sentence stays out of the answer and of the log.
    deps.logger.error('a request failed', {
      code: 'INTERNAL',
      method: c.req.method,
      requestId: requestIdOf(c),
    });
    return refuse(c, 'INTERNAL', 'Something went wrong on the server.');
  });
  if (!parsed.ok) {
    const sentence = `${parsed.variable} ${parsed.message}.`;
    app.all('*', (c) => refuse(c, 'CONFIG_INVALID', sentence));
    return app;
  }
  const [usual, ofMissions] = [limitBody(MOST_BODY_BYTES), limitBody(MOST_MISSION_BYTES)];
  app.use(async (c, next) => (MISSION_PATH.test(c.req.path) ? ofMissions : usual)(c, next));
  const routeDeps = { ...deps, config: parsed.config };
  healthRoutes(app, routeDeps);
  internalRoutes(app, routeDeps);
  meRoutes(app, routeDeps);
  runnerKeyRoutes(app, routeDeps);
  aiAuditRoutes(app, routeDeps);
  deviceRoutes(app, routeDeps);
  eventRoutes(app, routeDeps);
  describeRoutes(app, ABOUT);
  return app;
}

function limitBody(maxSize: number): MiddlewareHandler {
  return bodyLimit({
    maxSize,
    onError: (c) => refuse(c, 'BODY_TOO_LARGE', `The body is larger than ${maxSize} bytes.`),
  });
}
