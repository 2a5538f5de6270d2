import { calculateJwkThumbprint } from 'jose';
import { type Bytes, decodeBase64url, isObject, wipe } from './bytes.ts';
import { isSafeEd25519PublicKey } from './curve25519.ts';
import { GrantsError } from './errors.ts';
import { derOf } from './runner-keys.ts';

export type GrantPublicJwk = {
  kty: 'OKP';
  crv: 'Ed25519';
  x: string;
  kid: string;
  alg: 'Ed25519';
  use: 'sig';
};

/**
 * A key that signs grants. `kid` is the thumbprint of its public half (RFC 7638); `publicJwk` is
 * what the key set serves.
 */
export type GrantSigningKey = { kid: string; privateKey: CryptoKey; publicJwk: GrantPublicJwk };

/**
 * Finds the key of a `kid`; null if there is none. An error, such as a key set that cannot be
 * fetched, passes through to the caller.
 */
export type GrantKeyFinder = (kid: string) => Promise<CryptoKey | null>;

/**
 * @param pem PKCS#8, one or more; the first signs, the others' grants are still good
 * @throws GrantsError KEY_REFUSED
 */
export async function importSigningKeys(pem: string): Promise<GrantSigningKey[]> {
  return Promise.all(derOf(pem, 'ed25519-private').map(importSigningKey));
}

async function importSigningKey(pkcs8: Bytes): Promise<GrantSigningKey> {
  // WebCrypto shows a private key's public half only on export, so one extractable key exists for
  // this moment.
  const exported = await crypto.subtle.importKey('pkcs8', pkcs8, { name: 'Ed25519' }, true, [
    'sign',
  ]);
  const { x = '' } = (await crypto.subtle.exportKey('jwk', exported)) as { x?: string };
  const privateKey = await crypto.subtle.importKey('pkcs8', pkcs8, { name: 'Ed25519' }, false, [
    'sign',
  ]);
  wipe(pkcs8);
  const publicPart = { kty: 'OKP', crv: 'Ed25519', x } as const;
  const kid = await calculateJwkThumbprint(publicPart);
  return { kid, privateKey, publicJwk: { ...publicPart, kid, alg: 'Ed25519', use: 'sig' } };
}

/**
 * A public key that grants are verified with.
 * @param jwk of the key set; `alg` and `use`, if there, must be those of grants, and `kid` the
 *   thumbprint
 * @throws GrantsError KEY_REFUSED: another kind of key, a private one, or one of small order (under
 *   which anything verifies)
 */
export async function importGrantVerifyKey(jwk: unknown): Promise<{ kid: string; key: CryptoKey }> {
  const raw =
    isObject(jwk) && isGrantJwk(jwk) && typeof jwk['x'] === 'string'
      ? decodeBase64url(jwk['x'])
      : null;
  if (!isObject(jwk) || raw === null || !isSafeEd25519PublicKey(raw))
    throw new GrantsError('KEY_REFUSED', 'not a usable Ed25519 public key');
  const kid = await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x: String(jwk['x']) });
  if (jwk['kid'] !== undefined && jwk['kid'] !== kid)
    throw new GrantsError('KEY_REFUSED', 'a kid is not the thumbprint of its key');
  return {
    kid,
    key: await crypto.subtle.importKey('raw', raw, { name: 'Ed25519' }, true, ['verify']),
  };
}

/**
 * Finds keys in a key set (RFC 7517, section 5). Entries that cannot verify grants are left out.
 * @param keySet the JSON that /.well-known/grant-jwks.json serves
 */
export async function grantKeyFinder(keySet: unknown): Promise<GrantKeyFinder> {
  const entries: unknown[] =
    isObject(keySet) && Array.isArray(keySet['keys']) ? keySet['keys'] : [];
  const imported = await Promise.allSettled(entries.map(importGrantVerifyKey));
  const usable = imported
    .filter((result) => result.status === 'fulfilled')
    .map(({ value }) => value);
  const byKid = new Map(usable.map(({ kid, key }) => [kid, key]));
  return async (kid) => byKid.get(kid) ?? null;
}

function isGrantJwk({
  kty,
  crv,
  d,
  alg = 'Ed25519',
  use = 'sig',
}: Record<string, unknown>): boolean {
  return (
    kty === 'OKP' && crv === 'Ed25519' && d === undefined && alg === 'Ed25519' && use === 'sig'
  );
}
