import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';

/**
 * The public halves of Ed25519 signing keys as a JWK set (RFC 7517, RFC 8037).
 * @param keys PKCS#8 DER of private keys; the first signs, the others' signatures are still accepted
 * @param algorithm the name that the tokens' headers carry: "EdDSA" (RFC 8037) or "Ed25519" (RFC 9864)
 */
export async function publicKeySet(
  keys: readonly Uint8Array<ArrayBuffer>[],
  algorithm: 'EdDSA' | 'Ed25519',
): Promise<{ keys: JWK[] }> {
  return { keys: await Promise.all(keys.map((key) => publicJwk(key, algorithm))) };
}

async function publicJwk(pkcs8: Uint8Array<ArrayBuffer>, algorithm: string): Promise<JWK> {
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, { name: 'Ed25519' }, true, ['sign']);
  const { kty, crv, x } = await exportJWK(key);
  const publicPart = { kty: kty ?? 'OKP', crv: crv ?? 'Ed25519', x: x ?? '' };
  return { ...publicPart, kid: await calculateJwkThumbprint(publicPart), alg: algorithm, use: 'sig' };
}
