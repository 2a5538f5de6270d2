import {
  type Bytes,
  decodeBase64,
  decodeBase64url,
  encodeBase64,
  encodeBase64url,
  joinedByNul,
  jsonOf,
  utf8,
  wipe,
} from './bytes.ts';
import { GrantsError, refused, type Refused } from './errors.ts';
import { assertRecordRef, isRecordRef, type RecordRef } from './names.ts';
import { isPath } from './paths.ts';
import { parseKeyVersion, type RecordKeys } from './record-keys.ts';

export const IV_BYTES = 12;
export const TAG_BYTES = 16;

export type FieldToEncrypt = {
  keys: RecordKeys;
  /** of the key to use */
  version: number;
  ref: RecordRef;
  /** a path that paths.ts builds */
  path: string;
  /** any value that has a JSON text */
  value: unknown;
};

export type FieldToDecrypt = { keys: RecordKeys; ref: RecordRef; path: string; text: string };

export type DecryptedField = { ok: true; value: unknown } | Refused;

/**
 * Whether a field's value claims to be encrypted: a string that begins with `enc:`. Such a value is
 * never shown or sent.
 */
export function isCiphertext(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('enc:');
}

/**
 * Whether the value is ciphertext of the older format, which is under the master key itself and
 * bound to no place.
 */
export function isLegacyCiphertext(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('enc:1:');
}

/**
 * Encrypts one value: `enc:2:<version>:` base64url(iv) `.` base64url(AES-256-GCM ciphertext and
 * tag), bound to record and path.
 * @throws GrantsError NAME_REFUSED, KEY_VERSION_MISSING, VALUE_REFUSED (a value without a JSON
 *   text)
 */
export async function encryptField(field: FieldToEncrypt): Promise<string> {
  return encryptFieldWithIv(field, crypto.getRandomValues(new Uint8Array(IV_BYTES)));
}

/**
 * For vectors alone. If an IV is used twice under a key, both texts are given away, and so is the
 * key's authenticity.
 */
export async function encryptFieldWithIv(
  { keys, version, ref, path, value }: FieldToEncrypt,
  iv: Bytes,
): Promise<string> {
  const additionalData = additionalDataOf(ref, path);
  const key = keys.get(version);
  if (key === undefined)
    throw new GrantsError('KEY_VERSION_MISSING', 'there is no key of this version');
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new GrantsError('VALUE_REFUSED', 'a value has no JSON text');
  const plaintext = utf8(text);
  try {
    const sealed = await crypto.subtle.encrypt(
      { name: 'AES-GCM', iv, additionalData },
      key,
      plaintext,
    );
    return `enc:2:${version}:${encodeBase64url(iv)}.${encodeBase64url(new Uint8Array(sealed))}`;
  } finally {
    wipe(plaintext);
  }
}

/** Reads what encryptField wrote. Never throws, whatever stands in the text. */
export async function decryptField({
  keys,
  ref,
  path,
  text,
}: FieldToDecrypt): Promise<DecryptedField> {
  if (!isRecordRef(ref) || !isPath(path)) return refused('malformed');
  if (isLegacyCiphertext(text)) return refused('legacy-ciphertext');
  const field = parseField(text);
  if (field === null) return refused('tampered');
  const key = keys.get(field.version);
  if (key === undefined) return refused('key-version');
  const algorithm = { name: 'AES-GCM', iv: field.iv, additionalData: additionalDataOf(ref, path) };
  return openJson(algorithm, key, field.sealed);
}

/**
 * Encrypts one value as the existing app does, and alone reads: `enc:1:` base64(iv) `.`
 * base64(AES-256-GCM ciphertext and tag) of the JSON text, under the master key, without additional
 * data: it opens in any field and record of that person.
 * @param appKey of importAppKey
 * @throws GrantsError VALUE_REFUSED (a value without a JSON text)
 */
export async function encryptLegacyField(appKey: CryptoKey, value: unknown): Promise<string> {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new GrantsError('VALUE_REFUSED', 'a value has no JSON text');
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const plaintext = utf8(text);
  try {
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, appKey, plaintext);
    return `enc:1:${encodeBase64(iv)}.${encodeBase64(new Uint8Array(sealed))}`;
  } finally {
    wipe(plaintext);
  }
}

/**
 * Reads what encryptLegacyField, or the existing app, wrote. Never throws, whatever stands in the
 * text.
 */
export async function decryptLegacyField(
  legacyKey: CryptoKey,
  text: string,
): Promise<DecryptedField> {
  const [ivText = '', sealedText = '', ...more] = text.slice('enc:1:'.length).split('.');
  const iv = decodeBase64(ivText);
  const sealed = decodeBase64(sealedText);
  if (more.length > 0 || iv?.length !== IV_BYTES || sealed === null) return refused('tampered');
  return openJson({ name: 'AES-GCM', iv }, legacyKey, sealed);
}

/**
 * Decrypts and parses. All that can go wrong is the same refusal, so that a forger learns nothing
 * from it.
 */
export async function openJson(
  algorithm: { name: string; iv: Bytes; additionalData?: Bytes },
  key: CryptoKey,
  sealed: Bytes,
): Promise<DecryptedField> {
  let plaintext: Bytes;
  try {
    plaintext = new Uint8Array(await crypto.subtle.decrypt(algorithm, key, sealed));
  } catch {
    return refused('tampered');
  }
  const value = jsonOf(plaintext);
  wipe(plaintext);
  return value === undefined ? refused('tampered') : { ok: true, value };
}

type ParsedField = { version: number; iv: Bytes; sealed: Bytes };

function parseField(text: string): ParsedField | null {
  const [enc, format, versionText = '', body = '', ...rest] = text.split(':', 5);
  const [ivText = '', sealedText = '', ...more] = body.split('.', 3);
  const version = parseKeyVersion(versionText);
  if (enc !== 'enc' || format !== '2' || version === null || rest.length > 0 || more.length > 0)
    return null;
  const iv = decodeBase64url(ivText);
  const sealed = decodeBase64url(sealedText);
  if (iv?.length !== IV_BYTES || sealed === null || sealed.length < TAG_BYTES) return null;
  return { version, iv, sealed };
}

function additionalDataOf(ref: RecordRef, path: string): Bytes {
  assertRecordRef(ref);
  if (!isPath(path)) throw new GrantsError('NAME_REFUSED', 'a path is not allowed');
  return joinedByNul(ref.tableName, ref.recordId, path);
}
