import type { Context, Handler } from 'hono';
import { forUser } from '../http/guards.ts';
import { refuse } from '../http/http-errors.ts';
import { findZone } from '../missions/wall-clock.ts';
import type { RouteDeps } from './deps.ts';

/** The header in which a client says in which IANA time zone its person is. */
export const TIME_ZONE_HEADER = 'X-Time-Zone';

/**
 * A route of a person, as `forUser`. A time zone that the request names is kept with the person's
 * missions: a cadence of the app names none, and means the clock of the device.
 */
export function forPerson(
  deps: Pick<RouteDeps, 'verifyUserToken' | 'userMissions'>,
  handler: (c: Context, userId: string) => Promise<Response>,
): Handler {
  return forUser(deps, async (c, userId) => {
    const zone = c.req.header(TIME_ZONE_HEADER);
    if (zone === undefined || zone === '') return handler(c, userId);
    if (findZone(zone) === null)
      return refuse(c, 'BAD_REQUEST', `${TIME_ZONE_HEADER} must be an IANA time zone.`);
    await deps.userMissions(userId).noteTimeZone(userId, zone);
    return handler(c, userId);
  });
}
