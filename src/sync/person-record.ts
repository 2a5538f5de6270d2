import { formatStamp } from '../values/stamps.ts';
import { withPlainNumbers } from '../values/json.ts';
import { isAlive, readRecord, type RecordState, register } from './merge.ts';
import { rootOf } from './paths.ts';
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
  const fields = new Set(Object.keys(state.fields).map(rootOf));
  // A part that changed has changed the object.
  const stampsUs = [...fields].map((field) => [field, register(state, field)!.stampUs] as const);
  const newestUs = Math.max(state.existence?.stampUs ?? 0, ...stampsUs.map(([, us]) => us));
  return {
    ...key,
    data: withPlainNumbers(readRecord(state, key.recordId)),
    stamps: Object.fromEntries(stampsUs.map(([field, us]) => [field, formatStamp(us)])),
    updatedAt: formatStamp(newestUs),
    spaceId: state.spaceId,
    ...(isAlive(state) ? {} : { deleted: true }),
  };
}

/** One text for one record. */
export function keyText({ appId, table, recordId }: RecordKey): string {
  return JSON.stringify([appId, table, recordId]);
}
