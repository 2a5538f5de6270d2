import { decodeBase64url, encodeBase64url, joinedByNul, utf8 } from '../../grants/bytes.ts';

export const CHALLENGE_LIFETIME_MS = 5 * 60_000;

/** 16 random bytes, 8 of the time at which it ends, 32 of the HMAC over both. */
const NONCE_BYTES = 16;
const SIGNED_BYTES = 24;
const CHALLENGE_BYTES = 56;

/**
 * Challenges for passkeys are signed and not stored, so a caller who is not signed in cannot fill a
 * table. The code that checks the answer makes sure that each counts once.
 */
export class Challenges {
  readonly #key: CryptoKey;

  private constructor(key: CryptoKey) {
    this.#key = key;
  }

  /**
   * @param secret bytes that only this service has; the key is derived from them for this use alone
   */
  static async from(secret: Uint8Array<ArrayBuffer>): Promise<Challenges> {
    const base = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
    const info = joinedByNul('mana/passkey-challenge/v1');
    const derivation = { name: 'HKDF', hash: 'SHA-256', salt: utf8(''), info };
    const hmac = { name: 'HMAC', hash: 'SHA-256', length: 256 };
    return new Challenges(
      await crypto.subtle.deriveKey(derivation, base, hmac, false, ['sign', 'verify']),
    );
  }

  /** base64url */
  async issue(nowMs: number): Promise<string> {
    const bytes = new Uint8Array(CHALLENGE_BYTES);
    crypto.getRandomValues(bytes.subarray(0, NONCE_BYTES));
    new DataView(bytes.buffer).setBigUint64(NONCE_BYTES, BigInt(nowMs + CHALLENGE_LIFETIME_MS));
    const tag = await crypto.subtle.sign('HMAC', this.#key, bytes.slice(0, SIGNED_BYTES));
    bytes.set(new Uint8Array(tag), SIGNED_BYTES);
    return encodeBase64url(bytes);
  }

  /**
   * When a challenge of ours ends, in milliseconds since 1970; null for one that is not ours or has
   * ended.
   */
  async judge(challenge: string, nowMs: number): Promise<number | null> {
    const bytes = decodeBase64url(challenge);
    if (bytes?.length !== CHALLENGE_BYTES) return null;
    const signed = bytes.slice(0, SIGNED_BYTES);
    const genuine = await crypto.subtle.verify(
      'HMAC',
      this.#key,
      bytes.slice(SIGNED_BYTES),
      signed,
    );
    if (!genuine) return null;
    const endsMs = Number(new DataView(signed.buffer).getBigUint64(NONCE_BYTES));
    return endsMs > nowMs ? endsMs : null;
  }
}
