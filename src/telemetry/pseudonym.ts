declare const pseudonymous: unique symbol;

/**
 * Twelve hex digits in place of a user id. The brand keeps a plain id from being logged by mistake.
 */
export type Pseudonym = string & { readonly [pseudonymous]: true };

const DIGITS = 12;

/**
 * What a log line says instead of a user id: the first 12 hex digits of its SHA-256. The same id
 * always gives the same digits, so all lines about a user can be found. It is not anonymous:
 * anybody who guesses an id can recognise it.
 */
export async function pseudonym(userId: string): Promise<Pseudonym> {
  const digest = new Uint8Array(
    await crypto.subtle.digest('SHA-256', new TextEncoder().encode(userId)),
  );
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.slice(0, DIGITS) as Pseudonym;
}
