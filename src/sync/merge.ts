import { type ChangeRow, isDeviceRow } from './change-row.ts';
import { isRecord } from '../values/fields.ts';
import { EARLIEST_US, parseStamp } from '../values/stamps.ts';

/** The newest schema of `data` that we understand; rows above it are skipped. */
export const SCHEMA_VERSION = 1;

/** Where a write stands among the writes of one register: compared by stamp, then created, then row id. Times in microseconds. */
export type Order = { stampUs: number; createdUs: number; rowId: string };

/** A field with the value that wins. */
export type Register = Order & { value: unknown };

/** One record of the log, merged; plain JSON, storable. */
export type RecordState = {
  /** keys never start with `__` and are never `id`; look up with `register` */
  fields: Record<string, Register>;
  /** the winning insert or delete; null while only updates have arrived */
  existence: (Order & { deleted: boolean }) | null;
  /** the space of the row in `newest` */
  spaceId: string | null;
  /** the row that says in which space the record lives: the newest of a device, or of ours while there is none; null: no row yet */
  newest: { device: boolean; createdUs: number; rowId: string } | null;
};

export type SkipReason = 'schema-version' | 'data-not-object';

/** The state of a record of which no row has been merged. */
export function emptyState(): RecordState {
  return { fields: {}, existence: null, spaceId: null, newest: null };
}

/**
 * Merges one row into a record by the rules of field-level last-writer-wins; `state` is not changed. Rows of one record may come in
 * any order and any number of times. `skipped` names why a row was left out; the state is then as before.
 */
export function applyRow(
  state: RecordState | null,
  row: ChangeRow,
): { state: RecordState; skipped?: SkipReason } {
  const before = state ?? emptyState();
  if (row.schemaVersion > SCHEMA_VERSION) return { state: before, skipped: 'schema-version' };
  if (row.op !== 'delete' && !isRecord(row.data))
    return { state: before, skipped: 'data-not-object' };
  return {
    state: {
      fields: mergeFields(before.fields, row),
      existence: mergeExistence(before.existence, row),
      ...mergeSpace(before, row),
    },
  };
}

/** Merges the rows of one record, in whatever order they come. */
export function mergeRows(rows: Iterable<ChangeRow>): RecordState {
  let state = emptyState();
  for (const row of rows) state = applyRow(state, row).state;
  return state;
}

/** False for a deleted record (by a delete, or by a winning `deletedAt`), and while no row has been merged. */
export function isAlive(state: RecordState): boolean {
  if (state.newest === null || state.existence?.deleted === true) return false;
  const deletedAt = register(state, 'deletedAt')?.value;
  return typeof deletedAt !== 'string' || deletedAt === '';
}

/** The winning values by field name; `id` is the record's id. */
export function readRecord(state: RecordState, recordId: string): Record<string, unknown> {
  const values = Object.entries(state.fields).map(([field, { value }]) => [field, value] as const);
  return { ...Object.fromEntries(values), id: recordId };
}

/** The register of a field; null where no row has written it. */
export function register(state: RecordState, field: string): Register | null {
  return Object.hasOwn(state.fields, field) ? (state.fields[field] ?? null) : null;
}

/** Positive where the write `a` wins over `b`, 0 only for one and the same row. */
export function compareOrder(a: Order, b: Order): number {
  return a.stampUs - b.stampUs || a.createdUs - b.createdUs || compareIds(a.rowId, b.rowId);
}

/** Where a row's write of `field` stands: stamped `field_meta[field]` (or its `at`), else `created_at`. */
export function orderOf(row: ChangeRow, field: string): Order {
  const createdUs = createdUsOf(row);
  return { stampUs: stampOf(row.fieldMeta, field) ?? createdUs, createdUs, rowId: row.id };
}

/** `created_at` in microseconds. Postgres knows times that are no RFC 3339 (infinity, BC); they count as the earliest. */
export function createdUsOf(row: ChangeRow): number {
  return parseStamp(row.createdAt) ?? EARLIEST_US;
}

/** Negative, 0 or positive as text: for uuids in lower case the same order as Postgres'. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function mergeFields(fields: RecordState['fields'], row: ChangeRow): RecordState['fields'] {
  if (row.op === 'delete' || !isRecord(row.data)) return fields;
  const merged = { ...fields };
  for (const [field, value] of Object.entries(row.data)) {
    // `__proto__` is among these, so plain objects are safe below: `constructor` and its like are own keys or absent.
    if (field.startsWith('__') || field === 'id') continue;
    const order = orderOf(row, field);
    const current = Object.hasOwn(merged, field) ? merged[field] : undefined;
    if (!current || compareOrder(order, current) > 0) merged[field] = { value, ...order };
  }
  return merged;
}

/** Inserts and deletes write the existence register, both stamped alike; updates leave it alone. */
function mergeExistence(
  existence: RecordState['existence'],
  row: ChangeRow,
): RecordState['existence'] {
  if (row.op === 'update') return existence;
  const order = orderOf(row, '__deleted');
  if (existence && compareOrder(order, existence) <= 0) return existence;
  return { deleted: row.op === 'delete', ...order };
}

/**
 * The person's devices decide in which space a record lives. A row of ours repeats what we knew when we wrote it; were it to count,
 * a write that crosses a move between spaces would undo the move for all our later writes.
 */
function mergeSpace(state: RecordState, row: ChangeRow): Pick<RecordState, 'spaceId' | 'newest'> {
  const { newest, spaceId } = state;
  const candidate = { device: isDeviceRow(row), createdUs: createdUsOf(row), rowId: row.id };
  const wins =
    newest === null ||
    (Number(candidate.device) - Number(newest.device) ||
      candidate.createdUs - newest.createdUs ||
      compareIds(candidate.rowId, newest.rowId)) > 0;
  return wins ? { newest: candidate, spaceId: row.spaceId } : { newest, spaceId };
}

function stampOf(fieldMeta: unknown, field: string): number | null {
  if (!isRecord(fieldMeta) || !Object.hasOwn(fieldMeta, field)) return null;
  const entry = fieldMeta[field];
  return parseStamp(isRecord(entry) && Object.hasOwn(entry, 'at') ? entry['at'] : entry);
}
