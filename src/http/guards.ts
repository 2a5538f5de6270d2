import type { Context, Handler, MiddlewareHandler } from 'hono';
import { refuse } from './http-errors.ts';
import { serviceKeyMatches } from './service-key.ts';
import { bearerToken, type UserTokenVerifier } from './user-token.ts';

/** What `forUser` refuses with, for descriptions of routes. */
export const USER_REFUSALS = { 401: 'UNAUTHENTICATED', 503: 'KEY_SET_UNAVAILABLE' };

/** What `serviceKeyGuard` refuses with, for descriptions of routes. */
export const SERVICE_KEY_REFUSALS = { 401: 'UNAUTHENTICATED', 503: 'SERVICE_KEY_NOT_CONFIGURED' };

/**
 * A route of a person. The handler is called with the `sub` of a valid user token, and everybody
 * else is refused. No route can forget this guard, because its handler takes the user id.
 */
export function forUser(
  deps: { verifyUserToken: UserTokenVerifier },
  handler: (c: Context, userId: string) => Promise<Response>,
): Handler {
  return async (c) => {
    const verdict = await deps.verifyUserToken(bearerToken(c.req.header('authorization')));
    if (verdict.ok) return handler(c, verdict.userId);
    if (verdict.code === 'KEY_SET_UNAVAILABLE') {
      const sentence = 'The keys that user tokens are checked with could not be fetched.';
      return refuse(c, verdict.code, sentence);
    }
    c.header('www-authenticate', 'Bearer');
    return refuse(c, verdict.code, 'The user token is missing, expired or not valid here.');
  };
}

/** Lets callers in who send the service key. If none is configured, it lets nobody in. */
export function serviceKeyGuard(expected: string | null): MiddlewareHandler {
  return async (c, next) => {
    if (expected === null) {
      const sentence = 'MANA_SERVICE_KEY is not set, so this route is closed.';
      return refuse(c, 'SERVICE_KEY_NOT_CONFIGURED', sentence);
    }
    if (!(await serviceKeyMatches(c.req.header('x-service-key') ?? '', expected)))
      return refuse(c, 'UNAUTHENTICATED', 'X-Service-Key is missing or wrong.');
    return next();
  };
}
