import type { Context, Handler } from 'hono';
import type { RouteDeps } from './deps.ts';
import { ownerOf } from './owner.ts';

/** A route of a person: the handler is called with the `sub` of a valid user token, everybody else is refused. */
export function forUser(
  deps: Pick<RouteDeps, 'verifyUserToken'>,
  handler: (c: Context, userId: string) => Promise<Response>,
): Handler {
  return async (c) => {
    const owner = await ownerOf(c, deps);
    return owner.ok ? handler(c, owner.userId) : owner.refusal;
  };
}

/** What `forUser` refuses with, for descriptions of routes. */
export const USER_REFUSALS = { 401: 'UNAUTHENTICATED', 503: 'KEY_SET_UNAVAILABLE' };
