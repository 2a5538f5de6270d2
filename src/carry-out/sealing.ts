import {
  decryptField,
  decryptLegacyField,
  encryptField,
  encryptLegacyField,
  isCiphertext,
  isLegacyCiphertext,
} from '../grants/fields.ts';
import { isRecordRef, type RecordRef } from '../grants/names.ts';
import { fieldPath } from '../grants/paths.ts';
import { deriveRecordKeys } from '../grants/record-keys.ts';
import { findTable } from './tables.ts';
import type { ReadRecord, Write } from './types.ts';

/**
 * How the fields that the app encrypts are written. `plain`: the person has no vault. `enc:2`:
 * under the record's own key. `enc:1`: under the master key, as the existing app writes and alone
 * reads.
 */
export type SealForm = 'plain' | 'enc:1' | 'enc:2';

/** The person's master key, as `importMasterKey` and `importAppKey` give it. */
export type OwnKeys = { masterKey: CryptoKey; appKey: CryptoKey };

type Fields = Readonly<Record<string, unknown>>;

/** Each version costs a derivation, and the text comes from a server. */
const MOST_VERSIONS = 32;

/**
 * The same rows with the fields that the app encrypts encrypted; null stays.
 * @param records those that the rows change: their newest key version is used
 * @throws GrantsError NAME_REFUSED, VALUE_REFUSED
 */
export async function sealWrites(
  writes: readonly Write[],
  form: SealForm,
  keys: OwnKeys | null,
  records: readonly ReadRecord[],
): Promise<Write[]> {
  if (form === 'plain' || keys === null) return [...writes];
  return Promise.all(
    writes.map(async (write) => {
      const encrypted = findTable(write.appId, write.table)?.encrypted ?? [];
      const record = records.find(
        ({ table, recordId }) => table === write.table && recordId === write.recordId,
      );
      const ref = { tableName: write.table, recordId: write.recordId };
      const version = Math.max(1, ...versionsIn(record?.data ?? {}));
      const seal = fieldSealer(form, keys, ref, version);
      return { ...write, data: await sealFields(write.data, encrypted, seal) };
    }),
  );
}

type Seal = (name: string, value: unknown) => Promise<string>;

function fieldSealer(
  form: 'enc:1' | 'enc:2',
  keys: OwnKeys,
  ref: RecordRef,
  version: number,
): Seal {
  if (form === 'enc:1') return async (_name, value) => encryptLegacyField(keys.appKey, value);
  const recordKeys = deriveRecordKeys(keys.masterKey, ref, [version]);
  return async (name, value) =>
    encryptField({ keys: await recordKeys, version, ref, path: name, value });
}

async function sealFields(
  data: Fields,
  encrypted: readonly string[],
  seal: Seal,
): Promise<Record<string, unknown>> {
  const entries = Object.entries(data).map(async ([name, value]) => {
    const stays = !encrypted.includes(name) || value === null || isCiphertext(value);
    return [name, stays ? value : await seal(name, value)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** The record with its encrypted fields opened; one that does not open stays as it is. */
export async function openReadRecord(record: ReadRecord, keys: OwnKeys): Promise<ReadRecord> {
  const ref = { tableName: record.table, recordId: record.recordId };
  const sealed = Object.entries(record.data).filter(([, value]) => isCiphertext(value));
  if (sealed.length === 0 || !isRecordRef(ref)) return record;
  const versions = versionsIn(record.data);
  const recordKeys =
    versions.length === 0 ? new Map() : await deriveRecordKeys(keys.masterKey, ref, versions);
  const opened = sealed.map(async ([name, value]) => {
    const text = String(value);
    const result = isLegacyCiphertext(text)
      ? await decryptLegacyField(keys.appKey, text)
      : await decryptField({ keys: recordKeys, ref, path: fieldPath(name) ?? '', text });
    return [name, result.ok ? result.value : value] as const;
  });
  return { ...record, data: { ...record.data, ...Object.fromEntries(await Promise.all(opened)) } };
}

function versionsIn(data: Fields): number[] {
  const found = Object.values(data).flatMap((value) => {
    const [, version] = /^enc:2:([1-9]\d{0,9}):/.exec(typeof value === 'string' ? value : '') ?? [];
    return version === undefined ? [] : [Number(version)];
  });
  return [...new Set(found)].slice(0, MOST_VERSIONS);
}
