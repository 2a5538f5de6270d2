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
/** A grant names a user and is signed too, but it does not prove who calls. */
const GRANT_TYPE = /^(?:application\/)?mission-grant\+jwt$/i;

/** Far above any real token; what is longer is not worth decoding. */
const LONGEST_TOKEN = 16 * 1_024;

/**
 * Verifies user tokens against a key set. A key set at a URL is fetched when it is needed and kept;
 * jose follows no redirect to another URL.
 */
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

/**
 * A key set may say `EdDSA` where a token says `Ed25519`, or the other way round. The signatures
 * are the same, but jose compares the names.
 */
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

/**
 * Whether fetching the key set failed. jose has no error class for an answer other than 200 or one
 * that is not JSON, and what `fetch` throws is no error of jose.
 */
function isKeySetFailure(thrown: unknown): boolean {
  if (!(thrown instanceof errors.JOSEError)) return true;
  return [errors.JWKSTimeout.code, errors.JWKSInvalid.code, errors.JOSEError.code].includes(
    thrown.code,
  );
}

/**
 * The token of an Authorization header. If there is none, it is the empty text, which is judged and
 * refused like any other text that is no token.
 */
export function bearerToken(authorization: string | undefined): string {
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
}

/** Who signs the tokens of the console's sessions where user tokens come from another issuer. */
export const OWN_ISSUER = 'mana-auth';

/**
 * Accepts a token that one of several issuers signed. The token's own `iss` only chooses which
 * issuer's keys check it.
 */
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
