import type { Context, Hono } from 'hono';
import { z } from 'zod';
import { USER_REFUSALS } from '../../http/guards.ts';
import { refuse } from '../../http/http-errors.ts';
import {
  answers,
  readQuery,
  refusals,
  type RouteDefinition,
  serveRoute,
  USER_TOKEN,
} from '../../http/route.ts';
import { isUserId } from '../../http/user-id.ts';
import { waitingPlans } from '../../missions/inbox.ts';
import type { RouteDeps } from '../deps.ts';
import { ownerMission } from '../mission-schemas.ts';
import { forPerson } from '../person.ts';

const MOST = 200;
const USUAL_ITERATIONS = 20;

const count = (least: number) =>
  z.coerce
    .number(`wants a whole number from ${least} to ${MOST}`)
    .int(`wants a whole number from ${least} to ${MOST}`)
    .min(least, `wants a whole number from ${least} to ${MOST}`)
    .max(MOST, `wants a whole number from ${least} to ${MOST}`);
const id = z.string().refine(isUserId, 'wants what `next` said');

const pageQuery = z.object({
  iterations: count(0).optional().describe('so many of the newest of each mission; else all'),
  limit: count(1).optional().describe('so many missions, by their ids; else all'),
  cursor: id.optional().describe('what `next` said'),
});
const iterationQuery = z.object({
  iterations: count(0).optional().describe(`so many, else ${USUAL_ITERATIONS}`),
  before: id.optional().describe('what `next` said'),
});

const listMissions = {
  method: 'get',
  path: '/api/v1/me/missions',
  summary: 'The missions of the caller, with their iterations, the newest last',
  security: USER_TOKEN,
  request: { query: pageQuery },
  responses: {
    200: answers(
      'The missions.',
      z.object({ missions: z.array(ownerMission), next: z.string().optional() }),
    ),
    ...refusals({ 400: 'BAD_REQUEST', ...USER_REFUSALS }),
  },
} satisfies RouteDefinition;

const oneMission = {
  method: 'get',
  path: '/api/v1/me/missions/{missionId}',
  summary: 'One mission, with a page of its iterations, the newest last',
  security: USER_TOKEN,
  request: { query: iterationQuery },
  responses: {
    200: answers('The mission.', z.object({ mission: ownerMission, next: z.string().optional() })),
    ...refusals({ 400: 'BAD_REQUEST', ...USER_REFUSALS, 404: 'MISSION_NOT_FOUND' }),
  },
} satisfies RouteDefinition;

const inbox = {
  method: 'get',
  path: '/api/v1/me/inbox',
  summary: 'The plans that wait for a decision, the newest first',
  security: USER_TOKEN,
  responses: {
    200: answers(
      'The plans.',
      z.object({
        plans: z.array(
          z.object({ missionId: z.string(), title: z.string(), iteration: z.unknown() }),
        ),
      }),
    ),
    ...refusals(USER_REFUSALS),
  },
} satisfies RouteDefinition;

/** What a person sees of their missions, behind their user token. */
export function meRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(
    app,
    listMissions,
    forPerson(deps, async (c, userId) => {
      const asked = readQuery(c, listMissions);
      if (!asked.ok) return refuse(c, asked.code, asked.error);
      const { iterations = null, limit, cursor = null } = asked.value;
      const most = limit ?? (cursor === null ? null : MOST);
      // One more than asked for shows whether there is a page after this one.
      const found = await deps.userMissions(userId).listMissionsForOwner(userId, {
        iterations,
        after: cursor,
        most: most === null ? null : most + 1,
      });
      const missions = most === null ? found : found.slice(0, most);
      const isLast = missions.length === found.length;
      return c.json({ missions, ...(isLast ? {} : { next: missions.at(-1)?.id }) });
    }),
  );
  serveRoute(
    app,
    oneMission,
    forPerson(deps, async (c, userId) => showOne(c, deps, userId)),
  );
  serveRoute(
    app,
    inbox,
    forPerson(deps, async (c, userId) => {
      const missions = await deps.userMissions(userId).listMissionsForOwner(userId);
      return c.json({ plans: waitingPlans(missions) });
    }),
  );
}

async function showOne(c: Context, deps: RouteDeps, userId: string): Promise<Response> {
  const asked = readQuery(c, oneMission);
  if (!asked.ok) return refuse(c, asked.code, asked.error);
  const { iterations = USUAL_ITERATIONS, before = null } = asked.value;
  const missionId = c.req.param('missionId') ?? '';
  const found = isUserId(missionId)
    ? await deps.userMissions(userId).missionForOwner(userId, missionId, { iterations, before })
    : null;
  if (found === null) return refuse(c, 'MISSION_NOT_FOUND', 'There is no such mission of yours.');
  const { mission, next } = found;
  return c.json({ mission, ...(next === null ? {} : { next }) });
}
