import type { Hono } from 'hono';
import type { RouteDeps } from '../deps.ts';
import { ownerOf } from '../owner.ts';

/** Routes of people, behind their user token. */
export function meRoutes(app: Hono, deps: RouteDeps): void {
  app.get('/api/v1/me/missions', async (c) => {
    const owner = await ownerOf(c, deps);
    if (!owner.ok) return owner.refusal;
    return c.json({ missions: await deps.userMissions(owner.userId).listMissionsForOwner(owner.userId) });
  });
}
