import type { Hono, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { importRunnerPublicKey, type RecipientKey } from '../grants/index.ts';
import { createBaseApp, INTERNAL_FAILURE, refuseConfig } from '../http/base-app.ts';
import { describeRoutes } from '../http/describe.ts';
import { refuse } from '../http/http-errors.ts';
import { runnerKeyRoute } from '../http/runner-key.ts';
import type { AppDeps, RouteDeps } from './deps.ts';
import { httpMetrics } from './http-metrics.ts';
import { agentRoutes } from './routes/agents.ts';
import { aiAuditRoutes } from './routes/ai-audit.ts';
import {
  deviceRoutes,
  MOST_BODY_BYTES,
  MOST_MISSION_BYTES,
  MOST_REVIEW_BYTES,
} from './routes/device.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { internalRoutes } from './routes/internal.ts';
import { meRoutes } from './routes/me.ts';
import { recordRoutes } from './routes/records.ts';
import { toolRoutes } from './routes/tools.ts';

export type { AppDeps, RunnerHealth, UserMissionsPort } from './deps.ts';

const ABOUT = {
  title: 'mana-ai',
  version: '0.1.0',
  description:
    'The runner of mana-edge: missions of people, and what their operator needs. Errors are { error, code }.',
};

const REVIEW_PATH = /^\/api\/v1\/me\/missions\/[^/]+\/iterations\/[^/]+\/review$/;
const MISSION_PATH = /^\/api\/v1\/me\/missions(?:\/[^/]+)?$/;

/** The runner's HTTP API. With a malformed configuration every route answers 503 and names the variable. */
export function createApp({ config: parsed, ...deps }: AppDeps): Hono {
  const app = createBaseApp({
    logger: deps.logger,
    failureOf: () => INTERNAL_FAILURE,
    around: [httpMetrics(deps)],
  });
  if (!parsed.ok) return refuseConfig(app, parsed);
  const [usual, ofMissions] = [limitBody(MOST_BODY_BYTES), limitBody(MOST_MISSION_BYTES)];
  const ofReviews = limitBody(MOST_REVIEW_BYTES);
  app.use(async (c, next) => {
    if (REVIEW_PATH.test(c.req.path)) return ofReviews(c, next);
    return (MISSION_PATH.test(c.req.path) ? ofMissions : usual)(c, next);
  });
  const routeDeps = { ...deps, config: parsed.config };
  healthRoutes(app, routeDeps);
  internalRoutes(app, routeDeps);
  meRoutes(app, routeDeps);
  runnerKeyRoute(app, { ...deps, runnerKey: () => runnerKeyOf(routeDeps) });
  aiAuditRoutes(app, routeDeps);
  deviceRoutes(app, routeDeps);
  recordRoutes(app, routeDeps);
  agentRoutes(app, routeDeps);
  toolRoutes(app, routeDeps);
  eventRoutes(app, routeDeps);
  describeRoutes(app, ABOUT);
  return app;
}

async function runnerKeyOf({ config }: RouteDeps): Promise<RecipientKey | null> {
  const { publicPem } = config.runnerKeys;
  return publicPem === null ? null : importRunnerPublicKey(publicPem);
}

function limitBody(maxSize: number): MiddlewareHandler {
  return bodyLimit({
    maxSize,
    onError: (c) => refuse(c, 'BODY_TOO_LARGE', `The body is larger than ${maxSize} bytes.`),
  });
}
