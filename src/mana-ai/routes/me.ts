import type { Hono } from 'hono';
import { z } from 'zod';
import {
  answers,
  refusals,
  type RouteDefinition,
  serveRoute,
  USER_TOKEN,
} from '../../http/route.ts';
import type { RouteDeps } from '../deps.ts';
import { ownerMission } from '../mission-schemas.ts';
import { USER_REFUSALS } from '../../http/guards.ts';
import { forPerson } from '../person.ts';

const listMissions: RouteDefinition = {
  method: 'get',
  path: '/api/v1/me/missions',
  summary: 'All missions of the caller, with their iterations',
  security: USER_TOKEN,
  responses: {
    200: answers('The missions.', z.object({ missions: z.array(ownerMission) })),
    ...refusals(USER_REFUSALS),
  },
};

/** What a person sees of their missions, behind their user token. */
export function meRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(
    app,
    listMissions,
    forPerson(deps, async (c, userId) =>
      c.json({ missions: await deps.userMissions(userId).listMissionsForOwner(userId) }),
    ),
  );
}
