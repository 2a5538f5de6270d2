import { formatRecordRef, isRecordName, isTableName, MISSIONS_TABLE } from '../grants/names.ts';
import type { GrantReason } from '../grants/errors.ts';
import type { GrantKeys } from '../grants/open.ts';
import { openRecord } from '../grants/records.ts';
import type { InputSource } from './source.ts';

export type InputToOpen = {
  source: Pick<InputSource, 'tableName' | 'recordId'>;
  /** the merged record, as `readRecord` gives it */
  record: Readonly<Record<string, unknown>>;
  keys: GrantKeys;
};

export type OpenedInput =
  { ok: true; record: Record<string, unknown> } | { ok: false; reason: GrantReason };

/**
 * Opens a record that an input names, under a grant: all of its encrypted fields, or none.
 *
 * Devices decide which fields they encrypt, and the values say so by their prefix `enc:`. Dates and
 * flags usually stay plaintext, and so does a record that was written before its app encrypted.
 * Such a record is read like any other, but only if the grant names it too. Whoever can write to
 * the database can put plaintext there; what the grant protects is reading.
 *
 * Ciphertext inside objects and lists has no path in the format. It stays as it is, and
 * `formatInput` leaves it out.
 */
export async function openInput({ source, record, keys }: InputToOpen): Promise<OpenedInput> {
  const ref = { tableName: source.tableName, recordId: source.recordId };
  if (!isTableName(ref.tableName) || !isRecordName(ref.recordId))
    return { ok: false, reason: 'malformed' };
  // The mission's own key opens its texts and no record that an input names.
  const own = ref.tableName === MISSIONS_TABLE ? undefined : keys.get(formatRecordRef(ref));
  if (own === undefined) return { ok: false, reason: 'not-covered' };
  const opened = await openRecord({ keys: own, ref, record });
  return opened.ok ? { ok: true, record: opened.record } : { ok: false, reason: opened.reason };
}
