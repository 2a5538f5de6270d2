import { formatStamp } from '../values/stamps.ts';
import { isAlive, readRecord, type RecordState } from './merge.ts';
import type { RecordKey } from './record-queries.ts';

/** A merged record of a person, as the log holds it: what is encrypted is ciphertext. */
export type PersonRecord = RecordKey & {
  data: Record<string, unknown>;
  /** field -> ISO instant of the write that it holds */
  stamps: Record<string, string>;
  /** the newest of them */
  updatedAt: string;
  spaceId: string | null;
  deleted?: true;
};

/** A record's state in the form in which its owner is shown it. */
export function personRecord(key: RecordKey, state: RecordState): PersonRecord {
  const stamps = Object.entries(state.fields).map(
    ([field, { stampUs }]) => [field, formatStamp(stampUs)] as const,
  );
  const newestUs = Math.max(
    state.existence?.stampUs ?? 0,
    ...Object.values(state.fields).map(({ stampUs }) => stampUs),
  );
  return {
    ...key,
    data: readRecord(state, key.recordId),
    stamps: Object.fromEntries(stamps),
    updatedAt: formatStamp(newestUs),
    spaceId: state.spaceId,
    ...(isAlive(state) ? {} : { deleted: true }),
  };
}

/** One text for one record. */
export function keyText({ appId, table, recordId }: RecordKey): string {
  return JSON.stringify([appId, table, recordId]);
}
