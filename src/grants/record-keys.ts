import { type Bytes, joinedByNul, wipe } from './bytes.ts';
import { GrantsError } from './errors.ts';
import { assertRecordRef, type RecordRef } from './names.ts';

/** The keys of one record: version -> AES-256-GCM key. */
export type RecordKeys = ReadonlyMap<number, CryptoKey>;

export const KEY_BYTES = 32;
const KEY_INFO = 'mana/record-key/v2';

/** A version is raised when a record is re-keyed after a revocation; the first is 1. */
export function isKeyVersion(version: unknown): version is number {
  return Number.isSafeInteger(version) && Number(version) >= 1;
}

/** Reads the one decimal form of a version; null for anything else ("01", "1.0", "0"). */
export function parseKeyVersion(text: string): number | null {
  const version = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : 0;
  return isKeyVersion(version) ? version : null;
}

/**
 * A person's master key, usable for deriving record keys alone. Overwrites `bytes`.
 * @param bytes 32 bytes
 * @throws GrantsError KEY_REFUSED
 */
export async function importMasterKey(bytes: Bytes): Promise<CryptoKey> {
  return importSecret(bytes, 'HKDF', ['deriveBits']);
}

/**
 * The same master key as `enc:1:` used it, usable for reading that alone. Overwrites `bytes`.
 * @throws GrantsError KEY_REFUSED
 */
export async function importLegacyMasterKey(bytes: Bytes): Promise<CryptoKey> {
  return importSecret(bytes, 'AES-GCM', ['decrypt']);
}

/**
 * The same master key as the existing app uses it, to read and to write `enc:1:`. Overwrites
 * `bytes`.
 * @throws GrantsError KEY_REFUSED
 */
export async function importAppKey(bytes: Bytes): Promise<CryptoKey> {
  return importSecret(bytes, 'AES-GCM', ['encrypt', 'decrypt']);
}

/**
 * HKDF-SHA-256 (RFC 5869) with an empty salt and info = "mana/record-key/v2" 0x00 version 0x00
 * table 0x00 recordId.
 * @returns 32 bytes, which the caller hands to sealKeys or importRecordKey (both overwrite them)
 * @throws GrantsError NAME_REFUSED, KEY_REFUSED (a version that is none)
 */
export async function deriveRecordKeyBytes(
  masterKey: CryptoKey,
  ref: RecordRef,
  version: number,
): Promise<Bytes> {
  assertRecordRef(ref);
  if (!isKeyVersion(version))
    throw new GrantsError('KEY_REFUSED', 'a key version is a whole number from 1');
  const info = joinedByNul(KEY_INFO, String(version), ref.tableName, ref.recordId);
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, masterKey, KEY_BYTES * 8));
}

/**
 * A record key of one version, not extractable. Overwrites `bytes`.
 * @param bytes 32 bytes
 * @throws GrantsError KEY_REFUSED
 */
export async function importRecordKey(bytes: Bytes): Promise<CryptoKey> {
  return importSecret(bytes, 'AES-GCM', ['encrypt', 'decrypt']);
}

/**
 * All keys of one record, as its owner has them.
 * @param versions the versions to derive; [1] for a record that was never re-keyed
 * @throws GrantsError NAME_REFUSED, KEY_REFUSED
 */
export async function deriveRecordKeys(
  masterKey: CryptoKey,
  ref: RecordRef,
  versions: readonly number[],
): Promise<RecordKeys> {
  const derive = async (version: number) =>
    [version, await importRecordKey(await deriveRecordKeyBytes(masterKey, ref, version))] as const;
  return new Map(await Promise.all(versions.map(derive)));
}

/**
 * The version that new ciphertext is written under: the highest that has a key. Null if there is no
 * key.
 */
export function newestVersion(keys: RecordKeys): number | null {
  return keys.size === 0 ? null : Math.max(...keys.keys());
}

async function importSecret(
  bytes: Bytes,
  algorithm: 'HKDF' | 'AES-GCM',
  usages: KeyUsage[],
): Promise<CryptoKey> {
  // An array of zeros was overwritten before. As a key, everybody would know it.
  if (bytes.length !== KEY_BYTES || bytes.every((byte) => byte === 0))
    throw new GrantsError('KEY_REFUSED', 'a key is 32 bytes, used once');
  try {
    return await crypto.subtle.importKey('raw', bytes, algorithm, false, usages);
  } finally {
    wipe(bytes);
  }
}

type KeyUsage = 'deriveBits' | 'encrypt' | 'decrypt';
