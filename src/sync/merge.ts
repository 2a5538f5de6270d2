import type { ChangeRow } from './change-row.ts';
import { parseStampUs } from './stamps.ts';

/** What decides between two writes of a register: stamp, then the row's created_at (both microseconds), then the row id. */
export type WriteOrder = { stampUs: number; createdUs: number; rowId: string };

/** The winning write of one field. */
export type Register = WriteOrder & { value: unknown };

/**
 * A record as its registers; plain JSON, to be kept and merged further. Fields are pairs sorted by name, so that equal states are
 * equal texts and names like `constructor` mean nothing.
 */
export type RecordState = {
  fields: readonly (readonly [string, Register])[];
  /** the latest delete and the latest insert; null while there was none */
  deleted: WriteOrder | null;
  inserted: WriteOrder | null;
  /** the space of the newest row */
  space: { id: string | null; createdUs: number; rowId: string } | null;
};

export type SkipReason = 'schema-version' | 'data-not-object';

const EMPTY: RecordState = { fields: [], deleted: null, inserted: null, space: null };

const NEWEST_SCHEMA_VERSION = 1;

/**
 * Merges one row into a record. Order and repetition never matter: any permutation of the same rows gives the same state.
 * @returns the next state, and why the row was left out where it was
 * @see facts: merge rules
 */
export function applyRow(known: RecordState | null, row: ChangeRow): { state: RecordState; skipped?: SkipReason } {
  const state = known ?? EMPTY;
  if (!(row.schemaVersion <= NEWEST_SCHEMA_VERSION)) return { state, skipped: 'schema-version' };
  const createdUs = parseStampUs(row.createdAt) ?? 0;
  if (row.op === 'delete') return { state: { ...withSpace(state, row, createdUs), ...withDelete(state, row, createdUs) } };
  const data = row.data;
  if (!isObject(data)) return { state, skipped: 'data-not-object' };
  const fields = new Map(state.fields);
  for (const [name, value] of Object.entries(data)) {
    if (name === 'id' || name.startsWith('__')) continue;
    const write = { value, ...orderOf(row, name, createdUs) };
    const held = fields.get(name);
    if (held === undefined || isLater(write, held)) fields.set(name, write);
  }
  const inserted = row.op === 'insert' ? later(state.inserted, insertOrder(row, createdUs)) : state.inserted;
  return { state: { ...withSpace(state, row, createdUs), fields: sorted(fields), inserted } };
}

/** Whether the record exists: never deleted, or inserted again after the delete, and no winning `deletedAt`. */
export function isAlive(state: RecordState): boolean {
  const deletedAt = winning(state, 'deletedAt')?.value;
  if (typeof deletedAt === 'string' && deletedAt !== '') return false;
  if (state.deleted === null) return true;
  return state.inserted !== null && isLater(state.inserted, state.deleted);
}

/** The winning values; `id` is the record id, whatever the data said. */
export function readRecord(state: RecordState, recordId: string): Record<string, unknown> {
  return Object.fromEntries([...state.fields.map(([name, register]) => [name, register.value] as const), ['id', recordId]]);
}

/** The register of one field; undefined if it was never written. */
export function winning(state: RecordState, field: string): Register | undefined {
  return state.fields.find(([name]) => name === field)?.[1];
}

/** Whether two writes are the same one. */
export function isSameWrite(a: WriteOrder, b: WriteOrder): boolean {
  return a.stampUs === b.stampUs && a.createdUs === b.createdUs && a.rowId === b.rowId;
}

export function isLater(a: WriteOrder, b: WriteOrder): boolean {
  if (a.stampUs !== b.stampUs) return a.stampUs > b.stampUs;
  if (a.createdUs !== b.createdUs) return a.createdUs > b.createdUs;
  return a.rowId > b.rowId;
}

function withDelete(state: RecordState, row: ChangeRow, createdUs: number): Pick<RecordState, 'deleted'> {
  return { deleted: later(state.deleted, orderOf(row, '__deleted', createdUs)) };
}

function withSpace(state: RecordState, row: ChangeRow, createdUs: number): RecordState {
  const { space } = state;
  const newer = space === null || createdUs > space.createdUs || (createdUs === space.createdUs && row.id > space.rowId);
  return newer ? { ...state, space: { id: row.spaceId, createdUs, rowId: row.id } } : state;
}

/** "by that stamp": an insert counts against a delete by `created_at`, the stamp of the existence register. */
function insertOrder(row: ChangeRow, createdUs: number): WriteOrder {
  return { stampUs: createdUs, createdUs, rowId: row.id };
}

function orderOf(row: ChangeRow, field: string, createdUs: number): WriteOrder {
  return { stampUs: stampOf(row.fieldMeta, field) ?? createdUs, createdUs, rowId: row.id };
}

/** `field_meta[field]`, or its `at` where it is an object. */
function stampOf(fieldMeta: unknown, field: string): number | null {
  if (!isObject(fieldMeta) || !Object.hasOwn(fieldMeta, field)) return null;
  const stamp = fieldMeta[field];
  return parseStampUs(isObject(stamp) && Object.hasOwn(stamp, 'at') ? stamp['at'] : stamp);
}

function later(held: WriteOrder | null, write: WriteOrder): WriteOrder {
  return held === null || isLater(write, held) ? write : held;
}

function sorted(fields: ReadonlyMap<string, Register>): [string, Register][] {
  return [...fields].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
