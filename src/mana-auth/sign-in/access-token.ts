import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';

export const ACCESS_TOKEN_MS = 10 * 60_000;

/** Signs the user tokens of sessions with the first issuer key. */
export type TokenSigner = (session: {
  userId: string;
  sessionId: string;
  nowMs: number;
}) => Promise<{ token: string; expiresAt: string }>;

/**
 * @param pkcs8 DER of an Ed25519 private key
 * @returns what signs JWTs of ten minutes (`alg` EdDSA, `kid` the key's RFC 7638 thumbprint, `sid`
 * the session)
 */
export async function createTokenSigner(
  pkcs8: Uint8Array<ArrayBuffer>,
  { issuer, audience }: { issuer: string; audience: string },
): Promise<TokenSigner> {
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, { name: 'Ed25519' }, true, ['sign']);
  const { kty, crv, x } = await exportJWK(key);
  const kid = await calculateJwkThumbprint({ kty: kty ?? '', crv: crv ?? '', x: x ?? '' });
  return async ({ userId, sessionId, nowMs }) => {
    const issuedAtSec = Math.floor(nowMs / 1_000);
    const expiresAtSec = issuedAtSec + ACCESS_TOKEN_MS / 1_000;
    const token = await new SignJWT({ sid: sessionId })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid })
      .setSubject(userId)
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt(issuedAtSec)
      .setExpirationTime(expiresAtSec)
      .sign(key);
    return { token, expiresAt: new Date(expiresAtSec * 1_000).toISOString() };
  };
}
