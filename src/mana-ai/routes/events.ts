import type { Hono } from 'hono';
import { z } from 'zod';
import { refusals, type RouteDefinition, serveRoute, USER_TOKEN } from '../../http/route.ts';
import type { RouteDeps } from '../deps.ts';
import { refuse } from '../../http/http-errors.ts';
import { USER_REFUSALS } from '../../http/guards.ts';
import { forPerson } from '../person.ts';

const events = {
  method: 'get',
  path: '/api/v1/me/events',
  summary: 'Changes of missions and iterations as server-sent events',
  security: USER_TOKEN,
  request: {
    headers: z.object({
      'Last-Event-ID': z
        .string()
        .optional()
        .describe('goes on after this event; without it: from now on'),
    }),
  },
  responses: {
    200: {
      description:
        'Events `ready`, `mission` { missionId, mission, iterationIds }, `iteration` { missionId, iterationId, iteration }, `mission-deleted` { missionId }, ' +
        '`iteration-deleted` { missionId, iterationId }. Each tells the present state: several changes of one thing may be one event, and after a rebuild of ' +
        'the cache everything is told once more. A stream ends after 15 minutes; come back with the last id.',
      content: { 'text/event-stream': { schema: z.string() } },
    },
    ...refusals({
      ...USER_REFUSALS,
      429: 'TOO_MANY_STREAMS',
      503: 'KEY_SET_UNAVAILABLE, DRAINING',
    }),
  },
} satisfies RouteDefinition;

/** The stream of a person's own changes. */
export function eventRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(
    app,
    events,
    forPerson(deps, async (c, userId) => {
      const opened = await deps.openEvents(userId, c.req.header('last-event-id') || null);
      if (opened.ok) {
        // A proxy that collects the answer before it passes it on would make a stream of nothing.
        return c.body(opened.body, 200, {
          'content-type': 'text/event-stream',
          'x-accel-buffering': 'no',
        });
      }
      c.header('retry-after', '5');
      if (opened.reason === 'draining')
        return refuse(c, 'DRAINING', 'This process is about to stop; come back.');
      return refuse(
        c,
        'TOO_MANY_STREAMS',
        'Too many event streams are open; close one, or try again later.',
      );
    }),
  );
}
