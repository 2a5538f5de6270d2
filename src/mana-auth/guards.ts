import type { MiddlewareHandler } from 'hono';
import { serviceKeyMatches } from '../http/service-key.ts';
import { bearerToken, type UserTokenVerifier } from '../http/user-token.ts';
import { refuse } from './http-errors.ts';

/** What a route behind userTokenGuard finds in its context. */
export type UserEnv = { Variables: { userId: string } };

/** Lets in who has a user token, and tells the route whose it is. */
export function userTokenGuard(verify: UserTokenVerifier): MiddlewareHandler<UserEnv> {
  return async (c, next) => {
    const verdict = await verify(bearerToken(c.req.header('authorization')));
    if (verdict.ok) {
      c.set('userId', verdict.userId);
      return next();
    }
    if (verdict.code === 'KEY_SET_UNAVAILABLE') {
      return refuse(
        c,
        verdict.code,
        'The keys that user tokens are checked with could not be fetched.',
      );
    }
    c.header('www-authenticate', 'Bearer');
    return refuse(c, verdict.code, 'The user token is missing, expired or not valid here.');
  };
}

/** Lets in who has the service key; nobody where none is set. */
export function serviceKeyGuard(expected: string | null): MiddlewareHandler {
  return async (c, next) => {
    if (expected === null) {
      return refuse(
        c,
        'SERVICE_KEY_NOT_CONFIGURED',
        'MANA_SERVICE_KEY is not set, so this route is closed.',
      );
    }
    if (!(await serviceKeyMatches(c.req.header('x-service-key') ?? '', expected))) {
      return refuse(c, 'UNAUTHENTICATED', 'X-Service-Key is missing or wrong.');
    }
    return next();
  };
}
