import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';

/**
 * The public halves of the keys that sign user tokens, as a JWK set (RFC 7517, RFC 8037).
 * @param keys PKCS#8 DER of Ed25519 private keys; the first signs, the others' signatures are still
 * accepted
 */
export async function issuerKeySet(
  keys: readonly Uint8Array<ArrayBuffer>[],
): Promise<{ keys: JWK[] }> {
  return { keys: await Promise.all(keys.map(publicJwk)) };
}

async function publicJwk(pkcs8: Uint8Array<ArrayBuffer>): Promise<JWK> {
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, { name: 'Ed25519' }, true, ['sign']);
  const { kty, crv, x } = await exportJWK(key);
  const publicPart = { kty: kty ?? 'OKP', crv: crv ?? 'Ed25519', x: x ?? '' };
  return { ...publicPart, kid: await calculateJwkThumbprint(publicPart), alg: 'EdDSA', use: 'sig' };
}
