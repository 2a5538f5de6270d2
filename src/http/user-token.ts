import {
  createLocalJWKSet,
  decodeJwt,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  jwtVerify,
  type JWTVerifyGetKey,
} from 'jose';
import { isUserId } from './user-id.ts';

export type TokenVerdict =
  { ok: true; userId: string } | { ok: false; code: 'UNAUTHENTICATED' | 'KEY_SET_UNAVAILABLE' };

/** Judges one compact JWT. Never throws; what exactly was wrong with a token is not told. */
export type UserTokenVerifier = (token: string) => Promise<TokenVerdict>;

/** Where the keys are: at a URL, or here. */
export type UserTokenKeys = { jwksUrl: string } | { keySet: JSONWebKeySet };
export type UserTokenOptions = UserTokenKeys & { issuer: string; audience: string };

/** RFC 9864 names the curve; EdDSA is the older name of the same signatures. */
const ALGORITHMS = ['EdDSA', 'Ed25519'];
/** A grant names a user and a signer too, but it is no proof of who calls. */
const GRANT_TYPE = /^(?:application\/)?mission-grant\+jwt$/i;

/** Far above any real token; what is longer is not worth decoding. */
const LONGEST_TOKEN = 16 * 1_024;

/** Verifies user tokens against a key set; one at a URL is fetched when needed and kept: jose follows no redirects to another one. */
export function createUserTokenVerifier({
  issuer,
  audience,
  ...keys
}: UserTokenOptions): UserTokenVerifier {
  const keySet = underEitherName(
    'jwksUrl' in keys ? createRemoteJWKSet(new URL(keys.jwksUrl)) : createLocalJWKSet(keys.keySet),
  );
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
      return {
        ok: false,
        code: isKeySetFailure(thrown) ? 'KEY_SET_UNAVAILABLE' : 'UNAUTHENTICATED',
      };
    }
  };
}

/** A set may name the algorithm of its keys one way and a token the other: the signatures are the same, but jose compares the names. */
function underEitherName(keySet: JWTVerifyGetKey): JWTVerifyGetKey {
  return async (header, token) => {
    try {
      return await keySet(header, token);
    } catch (thrown) {
      const other = ALGORITHMS.find((name) => name !== header.alg);
      if (!(thrown instanceof errors.JWKSNoMatchingKey) || other === undefined) throw thrown;
      return keySet({ ...header, alg: other }, token);
    }
  };
}

/** jose has no class of its own for an answer other than 200 or for one that is no JSON; what fetch throws is not from jose at all. */
function isKeySetFailure(thrown: unknown): boolean {
  if (!(thrown instanceof errors.JOSEError)) return true;
  return [errors.JWKSTimeout.code, errors.JWKSInvalid.code, errors.JOSEError.code].includes(
    thrown.code,
  );
}

/** The token of an Authorization header; without one the empty text, which is judged and refused like any other that is none. */
export function bearerToken(authorization: string | undefined): string {
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
}

/** Who signs the tokens of the console's sessions where user tokens come from another issuer. */
export const OWN_ISSUER = 'mana-auth';

/** Accepts what one of several issuers signed. A token's own word of its issuer chooses who is asked, and nothing else. */
export function acceptedByAny(
  issuers: readonly { issuer: string; verify: UserTokenVerifier }[],
): UserTokenVerifier {
  return async (token) => {
    const named = issuerNamedBy(token);
    let verdict: TokenVerdict = { ok: false, code: 'UNAUTHENTICATED' };
    for (const { issuer, verify } of issuers) {
      if (issuer !== named) continue;
      const next = await verify(token);
      if (next.ok) return next;
      if (next.code === 'KEY_SET_UNAVAILABLE') verdict = next;
    }
    return verdict;
  };
}

function issuerNamedBy(token: string): string | null {
  if (token.length > LONGEST_TOKEN) return null;
  try {
    return decodeJwt(token).iss ?? null;
  } catch {
    return null;
  }
}
