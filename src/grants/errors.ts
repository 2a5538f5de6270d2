/** Why a grant, or something under it, is not opened. Shown to the person in the audit; every word of it is public. */
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

/** An expected refusal. It never holds anything of what was refused. */
export type Refused = { ok: false; reason: GrantReason };

/** A refusal that concerns one field; `path` is the field's path, or its name where it has no path. */
export type FieldRefused = Refused & { path: string };

export type GrantsErrorCode =
  'NAME_REFUSED' | 'KEY_REFUSED' | 'KEY_VERSION_MISSING' | 'VALUE_REFUSED' | 'CLAIMS_REFUSED';

/** Misuse by the caller: names, keys, versions or claims that no format allows. Messages never hold a value. */
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
