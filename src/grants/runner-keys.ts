import { calculateJwkThumbprint } from 'jose';
import { type Bytes, decodeBase64url, encodeBase64url, isObject, wipe } from './bytes.ts';
import { isSafeX25519PublicKey } from './curve25519.ts';
import { GrantsError } from './errors.ts';
import { type PemKind, readPemKeys } from './pem.ts';

export type RunnerPublicJwk = { kty: 'OKP'; crv: 'X25519'; x: string };

/**
 * The runner's public key, to which grants are sealed. `kid` is the thumbprint of `jwk` (RFC 7638).
 */
export type RecipientKey = { kid: string; key: CryptoKey; jwk: RunnerPublicJwk };

/** A private key of the runner, not extractable. */
export type RunnerPrivateKey = { kid: string; key: CryptoKey };

/**
 * The base point u = 9 (RFC 7748, section 4.1). A private key's shared secret with it is its public
 * key.
 */
const BASE_POINT = new Uint8Array([9, ...Array.from({ length: 31 }, () => 0)]);

/**
 * @param source SPKI as PEM (the first key counts), or a JWK as GET /api/v1/me/runner-key shows it
 * @throws GrantsError KEY_REFUSED: another kind of key, or one of small order
 */
export async function importRunnerPublicKey(
  source: string | Readonly<Record<string, unknown>>,
): Promise<RecipientKey> {
  const raw =
    typeof source === 'string' ? derOf(source, 'x25519-public')[0]?.slice(-32) : rawOfJwk(source);
  if (raw === undefined || raw === null || !isSafeX25519PublicKey(raw))
    throw new GrantsError('KEY_REFUSED', 'not a usable X25519 public key');
  const key = await importRaw(raw);
  const jwk: RunnerPublicJwk = { kty: 'OKP', crv: 'X25519', x: encodeBase64url(raw) };
  return { kid: await calculateJwkThumbprint(jwk), key, jwk };
}

/**
 * @param pem PKCS#8, one or more; the first is current, the others still open what was sealed to
 *   them
 * @throws GrantsError KEY_REFUSED
 */
export async function importRunnerPrivateKeys(pem: string): Promise<RunnerPrivateKey[]> {
  return Promise.all(derOf(pem, 'x25519-private').map(importRunnerPrivateKey));
}

async function importRunnerPrivateKey(pkcs8: Bytes): Promise<RunnerPrivateKey> {
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, { name: 'X25519' }, false, [
    'deriveBits',
  ]);
  wipe(pkcs8);
  // This gives the public half without ever holding an extractable private key.
  const algorithm = { name: 'X25519', public: await importRaw(BASE_POINT) };
  const x = encodeBase64url(new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, 256)));
  return { kid: await calculateJwkThumbprint({ kty: 'OKP', crv: 'X25519', x }), key };
}

async function importRaw(raw: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', raw, { name: 'X25519' }, true, []);
}

function rawOfJwk(jwk: Readonly<Record<string, unknown>>): Bytes | null {
  const { kty, crv, x, d } = jwk;
  if (
    !isObject(jwk) ||
    kty !== 'OKP' ||
    crv !== 'X25519' ||
    d !== undefined ||
    typeof x !== 'string'
  )
    return null;
  return decodeBase64url(x);
}

/** @throws GrantsError KEY_REFUSED */
export function derOf(pem: string, kind: PemKind): Bytes[] {
  const read = readPemKeys(pem, kind);
  if (!read.ok)
    throw new GrantsError('KEY_REFUSED', `not a PEM text with keys of the kind ${kind}`);
  return read.keys;
}
