import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { isUserId } from './user-id.ts';

export type TokenVerdict =
  { ok: true; userId: string } | { ok: false; code: 'UNAUTHENTICATED' | 'KEY_SET_UNAVAILABLE' };

/** Judges one compact JWT. Never throws; what exactly was wrong with a token is not told. */
export type UserTokenVerifier = (token: string) => Promise<TokenVerdict>;

export type UserTokenOptions = { jwksUrl: string; issuer: string; audience: string };

/** RFC 9864 names the curve; EdDSA is the older name of the same signatures. */
const ALGORITHMS = ['EdDSA', 'Ed25519'];
/** A grant names a user and a signer too, but it is no proof of who calls. */
const GRANT_TYPE = /^(?:application\/)?mission-grant\+jwt$/i;

/** Far above any real token; what is longer is not worth decoding. */
const LONGEST_TOKEN = 16 * 1_024;

/** Verifies user tokens against a key set that is fetched when needed and kept; jose follows no redirects to another one. */
export function createUserTokenVerifier({ jwksUrl, issuer, audience }: UserTokenOptions): UserTokenVerifier {
  const keySet = createRemoteJWKSet(new URL(jwksUrl));
  const options = { issuer, audience, algorithms: ALGORITHMS, requiredClaims: ['exp', 'sub'] };
  return async (token) => {
    if (token.length > LONGEST_TOKEN) return { ok: false, code: 'UNAUTHENTICATED' };
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keySet, options);
      const refused = GRANT_TYPE.test(protectedHeader.typ ?? '') || !isUserId(payload.sub);
      return refused || payload.sub === undefined
        ? { ok: false, code: 'UNAUTHENTICATED' }
        : { ok: true, userId: payload.sub };
    } catch (thrown) {
      return { ok: false, code: isKeySetFailure(thrown) ? 'KEY_SET_UNAVAILABLE' : 'UNAUTHENTICATED' };
    }
  };
}

/** Compares in constant time: digests have one length, and all of their bytes are looked at. */
export async function serviceKeyMatches(given: string, expected: string): Promise<boolean> {
  const [left, right] = await Promise.all([sha256(given), sha256(expected)]);
  let difference = 0;
  for (const [index, byte] of left.entries()) difference |= byte ^ (right[index] ?? 0);
  return difference === 0;
}

/** jose has no class of its own for an answer other than 200 or for one that is no JSON; what fetch throws is not from jose at all. */
function isKeySetFailure(thrown: unknown): boolean {
  if (!(thrown instanceof errors.JOSEError)) return true;
  return [errors.JWKSTimeout.code, errors.JWKSInvalid.code, errors.JOSEError.code].includes(thrown.code);
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}
