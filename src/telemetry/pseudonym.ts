declare const pseudonymous: unique symbol;

/** Twelve hex digits in place of a user id. The brand keeps a plain id from being logged by mistake. */
export type Pseudonym = string & { readonly [pseudonymous]: true };

const DIGITS = 12;

/**
 * What a log line may say of a user: the first 12 hex digits of the id's SHA-256. The same id always gets the same one, so lines of a
 * user can be found together. It is not anonymous: who can guess an id can recognise it.
 */
export async function pseudonym(userId: string): Promise<Pseudonym> {
  const digest = new Uint8Array(
    await crypto.subtle.digest('SHA-256', new TextEncoder().encode(userId)),
  );
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.slice(0, DIGITS) as Pseudonym;
}
