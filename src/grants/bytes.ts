import { base64url } from 'jose';

export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
// The decoder keeps a byte order mark as part of the text, and refuses bytes that are no UTF-8.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function utf8(text: string): Bytes {
  return encoder.encode(text) as Bytes;
}

/** The text of UTF-8 bytes; null if they are not well-formed. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

/** Strings joined by 0x00. Injective, because no name holds a control character. */
export function joinedByNul(...parts: readonly string[]): Bytes {
  return utf8(parts.join('\0'));
}

export function encodeBase64url(bytes: Uint8Array): string {
  return base64url.encode(bytes);
}

/**
 * Characters whose unused low bits are zero, by the length of the last group (RFC 4648, section
 * 3.5).
 */
const LAST_OF_TWO = 'AQgw';
const LAST_OF_THREE = 'AEIMQUYcgkosw048';

/**
 * Reads base64url in its one canonical form: no padding, no white space, unused bits zero. Anything
 * else is null, so that no two texts mean the same bytes.
 */
export function decodeBase64url(text: string): Bytes | null {
  const over = text.length % 4;
  const last = text.at(-1) ?? '';
  if (over === 1 || /[^A-Za-z0-9_-]/.test(text)) return null;
  if ((over === 2 && !LAST_OF_TWO.includes(last)) || (over === 3 && !LAST_OF_THREE.includes(last)))
    return null;
  return base64url.decode(text) as Bytes;
}

/**
 * Parses bytes as JSON text. The result is undefined, which no JSON text means, if they are none.
 */
export function jsonOf(bytes: Uint8Array): unknown {
  const text = textOf(bytes);
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Overwrites bytes that were secret. Copies inside the runtime or in strings cannot be reached. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

/**
 * True for a JSON object: no array, no null. The one beside src/values/fields.ts, since this module
 * stands alone and is installed alone.
 */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether an object has exactly these members. */
export function hasExactly(value: Record<string, unknown>, members: readonly string[]): boolean {
  return (
    Object.keys(value).length === members.length &&
    members.every((member) => Object.hasOwn(value, member))
  );
}

/** Base64 with padding (RFC 4648, section 4). */
export function encodeBase64(bytes: Uint8Array): string {
  const text = encodeBase64url(bytes).replaceAll('-', '+').replaceAll('_', '/');
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}

/** Reads padded base64 (RFC 4648, section 4) without white space; null for anything else. */
export function decodeBase64(text: string): Bytes | null {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return null;
  return decodeBase64url(text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''));
}
