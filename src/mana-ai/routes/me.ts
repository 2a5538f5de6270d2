import type { Hono } from 'hono';
import { bearerToken } from '../../http/user-token.ts';
import type { RouteDeps } from '../deps.ts';
import { refuse } from '../http-errors.ts';

/** Routes of people, behind their user token. */
export function meRoutes(app: Hono, deps: RouteDeps): void {
  app.get('/api/v1/me/missions', async (c) => {
    const verdict = await deps.verifyUserToken(bearerToken(c.req.header('authorization')));
    if (verdict.ok) {
      return c.json({ missions: await deps.userMissions(verdict.userId).listMissionsForOwner(verdict.userId) });
    }
    if (verdict.code === 'KEY_SET_UNAVAILABLE') {
      return refuse(c, verdict.code, 'The keys that user tokens are checked with could not be fetched.');
    }
    c.header('www-authenticate', 'Bearer');
    return refuse(c, verdict.code, 'The user token is missing, expired or not valid here.');
  });
}
