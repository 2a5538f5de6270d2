import type { Handler, Hono, MiddlewareHandler } from 'hono';
import { serviceKeyMatches } from '../../http/service-key.ts';
import { z } from 'zod';
import {
  answers,
  DRAIN_TOKEN,
  refusals,
  type RouteDefinition,
  serveRoute,
  SERVICE_KEY,
} from '../../http/route.ts';
import type { RouteDeps } from '../deps.ts';
import { healthAnswer } from '../health-schema.ts';
import { internalMission } from '../mission-schemas.ts';
import { statusWords } from '../status-words.ts';
import { probeHealth, withStatus } from './health.ts';
import { serviceKeyGuard, SERVICE_KEY_REFUSALS } from '../../http/guards.ts';
import { refuse } from '../../http/http-errors.ts';
import { pathId, refusePathId } from '../../http/path-id.ts';

const TICK = {
  method: 'post',
  path: '/internal/tick',
  summary: 'Read the log, run everything that is due, wait up to 60 s for it',
  security: SERVICE_KEY,
  responses: {
    200: answers(
      "What came of it; `errors` has 'still-running:<n>', 'overlap-skipped' and codes of failed turns.",
      z.object({
        scannedAt: z.string(),
        dueMissionCount: z.int(),
        plansProduced: z.int(),
        plansWrittenBack: z.int(),
        parseFailures: z.int(),
        errors: z.array(z.string()),
      }),
    ),
    ...refusals(SERVICE_KEY_REFUSALS),
  },
} satisfies RouteDefinition;

const DRAIN = {
  method: 'post',
  path: '/internal/drain',
  summary:
    'Admit nobody any more, end event streams, wait up to 10 s for runs to reach a checkpoint',
  security: DRAIN_TOKEN,
  responses: {
    200: answers('Whether no run is left.', z.object({ drained: z.boolean() })),
    ...refusals({ 401: 'UNAUTHENTICATED' }),
  },
} satisfies RouteDefinition;

const MISSIONS = {
  method: 'get',
  path: '/internal/missions/{userId}',
  summary: 'The missions of one user, and why one does not run',
  security: SERVICE_KEY,
  responses: {
    200: answers('The missions.', z.object({ missions: z.array(internalMission) })),
    ...refusals({ 400: 'BAD_REQUEST', ...SERVICE_KEY_REFUSALS }),
  },
} satisfies RouteDefinition;

const FORGET = {
  method: 'delete',
  path: '/internal/users/{userId}',
  summary:
    'Empty what the objects hold of one user, and end what is under way; `npm run forget` calls it',
  security: SERVICE_KEY,
  responses: {
    200: answers(
      'Where something is left.',
      z.object({ left: z.array(z.enum(['object', 'agenda', 'change-feed'])) }),
    ),
    ...refusals({ 400: 'BAD_REQUEST', ...SERVICE_KEY_REFUSALS }),
  },
} satisfies RouteDefinition;

const STATUS = {
  method: 'get',
  path: '/internal/status',
  summary: 'The queue, and what is wrong since when, in words',
  security: SERVICE_KEY,
  responses: {
    200: answers(
      'Sentences for a person, and the health that they are made of.',
      z.object({ words: z.array(z.string()), health: healthAnswer }),
    ),
    ...refusals(SERVICE_KEY_REFUSALS),
  },
} satisfies RouteDefinition;

/** Routes of operators, behind X-Service-Key, and the one of `serve`, behind a token that it makes at each start. */
export function internalRoutes(app: Hono, deps: RouteDeps): void {
  const withServiceKey = serviceKeyGuard(deps.config.serviceKey);
  serveRoute(app, TICK, withServiceKey, async (c) => c.json(await deps.tick()));
  serveRoute(app, DRAIN, drainTokenGuard(deps.config.drainToken), async (c) =>
    c.json(await deps.drain()),
  );
  serveRoute(app, STATUS, withServiceKey, async (c) => {
    const health = await probeHealth(deps);
    return c.json({ words: statusWords(health, Date.now()), health: withStatus(health) });
  });
  serveRoute(
    app,
    MISSIONS,
    withServiceKey,
    ofUser(async (userId) => ({ missions: await deps.userMissions(userId).listMissions(userId) })),
  );
  serveRoute(
    app,
    FORGET,
    withServiceKey,
    ofUser((userId) => deps.forget(userId)),
  );
}

/** Answers about the user whom the path names. */
function ofUser(answer: (userId: string) => Promise<object>): Handler {
  return async (c) => {
    const userId = pathId(c, 'userId');
    return userId === null ? refusePathId(c, 'userId') : c.json(await answer(userId));
  };
}

function drainTokenGuard(expected: string | null): MiddlewareHandler {
  return async (c, next) => {
    if (
      expected === null ||
      !(await serviceKeyMatches(c.req.header('x-drain-token') ?? '', expected))
    ) {
      return refuse(
        c,
        'UNAUTHENTICATED',
        'Only the command that started this process may drain it; send it SIGTERM.',
      );
    }
    return next();
  };
}
