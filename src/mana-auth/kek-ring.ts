import { fromBase64, toBase64 } from '../values/base64.ts';

/**
 * Wraps master keys by key-encryption keys. The first one wraps; each one unwraps what it has
 * wrapped.
 */
export type KekRing = {
  /** wraps new keys; 16 hex digits */
  currentId: string;
  /** @returns base64 of IV, ciphertext and tag under the current key */
  wrap(masterKey: Uint8Array<ArrayBuffer>, userId: string): Promise<string>;
  /**
   * @returns the 32 bytes, or why not: no key of that id here, or the row is not what was written
   * for this user
   */
  unwrap(wrapped: WrappedKey, userId: string): Promise<Unwrapped>;
};

export type WrappedKey = { text: string; kekId: string };
export type Unwrapped =
  | { ok: true; masterKey: Uint8Array<ArrayBuffer> }
  | { ok: false; reason: 'unknown-kek' | 'tampered' };

type Kek = { id: string; key: CryptoKey };

const ID_DIGITS = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
export const MASTER_KEY_BYTES = 32;

/**
 * @param keks 32 bytes each, at least one; they are copied into keys that cannot be read back
 */
export async function importKekRing(keks: readonly Uint8Array<ArrayBuffer>[]): Promise<KekRing> {
  const ring = await Promise.all(keks.map(importKek));
  const [current] = ring;
  if (current === undefined) throw new TypeError('a ring has at least one key');
  return {
    currentId: current.id,
    wrap: (masterKey, userId) => wrap(current, masterKey, userId),
    async unwrap({ text, kekId }, userId) {
      const kek = ring.find(({ id }) => id === kekId);
      return kek === undefined ? { ok: false, reason: 'unknown-kek' } : unwrap(kek, text, userId);
    },
  };
}

async function importKek(bytes: Uint8Array<ArrayBuffer>): Promise<Kek> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const key = await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
  const id = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { id: id.slice(0, ID_DIGITS), key };
}

/**
 * User ids hold no control characters, so no two pairs of user and key share these bytes, and a row
 * that was copied to another user does not open.
 */
function additionalData(kekId: string, userId: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new TextEncoder().encode(`mana/vault/v2\0${kekId}\0${userId}`));
}

async function wrap(kek: Kek, masterKey: Uint8Array<ArrayBuffer>, userId: string): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const algorithm = { name: 'AES-GCM', iv, additionalData: additionalData(kek.id, userId) };
  const sealed = new Uint8Array(await crypto.subtle.encrypt(algorithm, kek.key, masterKey));
  const wrapped = new Uint8Array(IV_BYTES + sealed.length);
  wrapped.set(iv);
  wrapped.set(sealed, IV_BYTES);
  return toBase64(wrapped);
}

async function unwrap(kek: Kek, text: string, userId: string): Promise<Unwrapped> {
  const bytes = fromBase64(text);
  if (bytes?.length !== IV_BYTES + MASTER_KEY_BYTES + TAG_BYTES)
    return { ok: false, reason: 'tampered' };
  try {
    const iv = bytes.subarray(0, IV_BYTES);
    const algorithm = { name: 'AES-GCM', iv, additionalData: additionalData(kek.id, userId) };
    const opened = await crypto.subtle.decrypt(algorithm, kek.key, bytes.subarray(IV_BYTES));
    return { ok: true, masterKey: new Uint8Array(opened) };
  } catch {
    return { ok: false, reason: 'tampered' };
  }
}
