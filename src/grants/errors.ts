/**
 * Why a grant, or a record under it, does not open. The person sees it in the audit; every word of
 * it is public.
 */
export type GrantReason =
  | 'not-configured'
  | 'malformed'
  | 'bad-signature'
  | 'expired'
  | 'not-yet-valid'
  | 'revoked'
  | 'wrong-user'
  | 'wrong-mission'
  | 'wrap-rejected'
  | 'not-covered'
  | 'key-version'
  | 'legacy-ciphertext'
  | 'tampered'
  | 'model-not-local';

/** An expected refusal. It never holds any part of what was refused. */
export type Refused = { ok: false; reason: GrantReason };

/** A refusal that concerns one field. `path` is the field's path, or its name if it has no path. */
export type FieldRefused = Refused & { path: string };

export type GrantsErrorCode =
  'NAME_REFUSED' | 'KEY_REFUSED' | 'KEY_VERSION_MISSING' | 'VALUE_REFUSED' | 'CLAIMS_REFUSED';

/**
 * The caller made a mistake: a name, key, version or claim that no format allows. Messages never
 * hold a value.
 */
export class GrantsError extends Error {
  override name = 'GrantsError';
  readonly code: GrantsErrorCode;

  constructor(code: GrantsErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export function refused(reason: GrantReason): Refused {
  return { ok: false, reason };
}
