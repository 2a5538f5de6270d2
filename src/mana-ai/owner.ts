import type { Context } from 'hono';
import { bearerToken } from '../http/user-token.ts';
import type { RouteDeps } from './deps.ts';
import { refuse } from './http-errors.ts';

export type Owner = { ok: true; userId: string } | { ok: false; refusal: Response };

/** Whose request this is, by its user token; or the answer that refuses it. */
export async function ownerOf(
  c: Context,
  { verifyUserToken }: Pick<RouteDeps, 'verifyUserToken'>,
): Promise<Owner> {
  const verdict = await verifyUserToken(bearerToken(c.req.header('authorization')));
  if (verdict.ok) return verdict;
  if (verdict.code === 'KEY_SET_UNAVAILABLE') {
    const sentence = 'The keys that user tokens are checked with could not be fetched.';
    return { ok: false, refusal: refuse(c, verdict.code, sentence) };
  }
  c.header('www-authenticate', 'Bearer');
  return {
    ok: false,
    refusal: refuse(c, verdict.code, 'The user token is missing, expired or not valid here.'),
  };
}
