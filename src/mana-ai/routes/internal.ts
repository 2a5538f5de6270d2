import type { Context, Hono, MiddlewareHandler } from 'hono';
import { serviceKeyMatches } from '../../http/service-key.ts';
import type { RouteDeps } from '../deps.ts';
import { refuse } from '../http-errors.ts';
import { isUserId } from '../../http/user-id.ts';

/** Routes of operators, behind X-Service-Key, and the one of `serve`, behind a token that it makes at each start. */
export function internalRoutes(app: Hono, deps: RouteDeps): void {
  const withServiceKey = serviceKeyGuard(deps.config.serviceKey);
  app.post('/internal/tick', withServiceKey, async (c) => c.json(await deps.tick()));
  app.post('/internal/drain', drainTokenGuard(deps.config.drainToken), async (c) => c.json(await deps.drain()));
  app.get('/internal/missions/:userId', withServiceKey, async (c) => {
    const userId = userIdOf(c);
    if (userId === null) {
      return refuse(c, 'BAD_REQUEST', 'userId must be 1 to 256 characters without control characters.');
    }
    return c.json({ missions: await deps.userMissions(userId).listMissions(userId) });
  });
}

/** The path's last part. Hono passes escapes that are no UTF-8 on as they stand, and an id must not be made of them. */
function userIdOf(c: Context): string | null {
  try {
    const userId = decodeURIComponent(new URL(c.req.url).pathname.split('/').at(-1) ?? '');
    return isUserId(userId) ? userId : null;
  } catch {
    return null;
  }
}

function drainTokenGuard(expected: string | null): MiddlewareHandler {
  return async (c, next) => {
    if (expected === null || !(await serviceKeyMatches(c.req.header('x-drain-token') ?? '', expected))) {
      return refuse(c, 'UNAUTHENTICATED', 'Only the command that started this process may drain it; send it SIGTERM.');
    }
    return next();
  };
}

function serviceKeyGuard(expected: string | null): MiddlewareHandler {
  return async (c, next) => {
    if (expected === null) {
      return refuse(c, 'SERVICE_KEY_NOT_CONFIGURED', 'MANA_SERVICE_KEY is not set, so this route is closed.');
    }
    if (!(await serviceKeyMatches(c.req.header('x-service-key') ?? '', expected))) {
      return refuse(c, 'UNAUTHENTICATED', 'X-Service-Key is missing or wrong.');
    }
    return next();
  };
}
