import { isRecord } from '../values/fields.ts';
import { EARLIEST_US, parseStamp } from '../values/stamps.ts';
import { type ChangeRow, isDeviceRow } from './change-row.ts';
import { joinOutcomes, type Outcomes, withOutcomes } from './outcomes.ts';
import { compareDepth, isBelow, isRefusedPath, pathsAbove, rootOf, withPart } from './paths.ts';

/** The newest schema of `data` that we understand; rows above it are skipped. */
export const SCHEMA_VERSION = 1;

/**
 * Where a write stands among the writes of one register: compared by stamp, then created, then row id. Times in microseconds.
 * `fromInsert`: an insert that stamps no fields wrote it. Devices know its moment only roughly (facts: stamps of inserts).
 */
export type Order = { stampUs: number; createdUs: number; rowId: string; fromInsert?: true };

/** A field with the value that wins. */
export type Register = Order & { value: unknown };

/** One record of the log, merged; plain JSON, storable. */
export type RecordState = {
  /**
   * By field name or path (paths.ts). Keys never start with `__` and are never `id`. A path that a later value of a shorter one covers is
   * not here. Look up with `register`.
   */
  fields: Record<string, Register>;
  /** the winning insert or delete; null while only updates have arrived */
  existence: (Order & { deleted: boolean }) | null;
  /** the space of the row in `newest` */
  spaceId: string | null;
  /** the row that says in which space the record lives: the newest of a device, or of ours while there is none; null: no row yet */
  newest: { device: boolean; createdUs: number; rowId: string } | null;
  /** what became of the steps of a mission's plans, in whatever array that was seen; absent for other records */
  outcomes?: Outcomes;
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
      ...mergeOutcomes(before, row),
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

/** The winning values by field name, parts put into their objects; `id` is the record's id. */
export function readRecord(state: RecordState, recordId: string): Record<string, unknown> {
  const roots = new Set(Object.keys(state.fields).map(rootOf));
  const values = [...roots].map((field) => [field, register(state, field)?.value] as const);
  return { ...Object.fromEntries(values), id: recordId };
}

/**
 * The value of a field, parts put into their objects and steps as far as their outcomes, with the order of its latest write. null where no row has
 * written it.
 */
export function register(state: RecordState, field: string): Register | null {
  const whole = writtenRegister(state, field);
  const parts = Object.keys(state.fields).filter((name) => isBelow(name, field));
  const found = parts.length === 0 ? whole : withParts(state, field, whole, parts);
  if (field !== 'iterations' || state.outcomes === undefined) return found;
  if (found === null || !Array.isArray(found.value)) return found;
  return { ...found, value: withOutcomes(found.value, state.outcomes) };
}

/** The register of a field or path as a row wrote it, without parts and outcomes; null where none has. */
export function writtenRegister(state: RecordState, field: string): Register | null {
  return Object.hasOwn(state.fields, field) ? (state.fields[field] ?? null) : null;
}

/** The writes that a new value of a field or path has to beat: its own, those of its parts and those of the objects around it. */
export function ordersOf(state: RecordState, field: string): Order[] {
  const around = pathsAbove(field);
  return Object.entries(state.fields)
    .filter(([name]) => name === field || isBelow(name, field) || around.includes(name))
    .map(([, order]) => order);
}

/** Positive where the write `a` wins over `b`, 0 only for one and the same row. */
export function compareOrder(a: Order, b: Order): number {
  return a.stampUs - b.stampUs || a.createdUs - b.createdUs || compareIds(a.rowId, b.rowId);
}

/**
 * Where a row's write of `field` stands. Its stamp is `field_meta[field]` (or the `at` in it); without one, in an insert, `updatedAt` or
 * `createdAt` of the data, which is how devices stamp inserts; else `created_at`.
 */
export function orderOf(row: ChangeRow, field: string): Order {
  const stampUs = stampOf(row.fieldMeta, field);
  if (stampUs === null && row.op === 'insert')
    return { ...orderAt(row, insertStamp(row)), fromInsert: true };
  return orderAt(row, stampUs);
}

/** At `created_at` where there is no stamp. */
function orderAt(row: ChangeRow, stampUs: number | null): Order {
  const createdUs = createdUsOf(row);
  return { stampUs: stampUs ?? createdUs, createdUs, rowId: row.id };
}

function insertStamp({ data }: ChangeRow): number | null {
  if (!isRecord(data)) return null;
  const [updatedAt, createdAt] = ['updatedAt', 'createdAt'].map((name) =>
    Object.hasOwn(data, name) ? parseStamp(data[name]) : null,
  );
  return updatedAt ?? createdAt ?? null;
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
  const writes = writesOf(row);
  if (writes.length === 0) return fields;
  const merged = { ...fields };
  for (const [field, value] of writes) mergeField(merged, field, { value, ...orderOf(row, field) });
  return merged;
}

/** The fields and paths that a row writes. A delete writes `deletedAt`, where it has one. */
function writesOf({ op, data, tableName }: ChangeRow): [field: string, value: unknown][] {
  if (!isRecord(data)) return [];
  if (op === 'delete') return holdsDeletedAt(data) ? [['deletedAt', data['deletedAt']]] : [];
  // `__proto__` is among those left out, so plain objects are safe: `constructor` and its like are own keys or absent.
  return Object.entries(data).filter(
    ([field]) =>
      !field.startsWith('__') &&
      rootOf(field) !== 'id' &&
      !isRefusedPath(field) &&
      // Devices send arrays whole: a path into this one could only destroy it.
      !(tableName === 'aiMissions' && isBelow(field, 'iterations')),
  );
}

function mergeField(fields: RecordState['fields'], field: string, write: Register): void {
  const current = Object.hasOwn(fields, field) ? fields[field] : undefined;
  if (current && compareOrder(write, current) <= 0) return;
  if (pathsAbove(field).some((above) => covers(fields, above, write))) return;
  fields[field] = write;
  for (const name of Object.keys(fields))
    if (isBelow(name, field) && covers(fields, field, fields[name]!)) delete fields[name];
}

/** A later value of the object covers what was written into it before. In one row the object comes first. */
function covers(fields: RecordState['fields'], above: string, write: Order): boolean {
  const object = Object.hasOwn(fields, above) ? fields[above] : undefined;
  return object !== undefined && compareOrder(object, write) > 0;
}

function withParts(
  state: RecordState,
  field: string,
  whole: Register | null,
  parts: readonly string[],
): Register {
  let value = whole?.value;
  let latest: Order | null = whole;
  for (const path of parts.toSorted(compareDepth)) {
    const part = state.fields[path]!;
    value = withPart(value, path.slice(field.length + 1).split('.'), part.value);
    if (latest === null || compareOrder(part, latest) > 0) latest = part;
  }
  const { stampUs, createdUs, rowId, fromInsert } = latest!;
  return { value, stampUs, createdUs, rowId, ...(fromInsert ? { fromInsert } : {}) };
}

/** Inserts and deletes write the existence register, stamped `__deleted` or `created_at`; updates and deletes with a date leave it alone. */
function mergeExistence(
  existence: RecordState['existence'],
  row: ChangeRow,
): RecordState['existence'] {
  if (row.op === 'update' || (row.op === 'delete' && holdsDeletedAt(row.data))) return existence;
  const order = orderAt(row, stampOf(row.fieldMeta, '__deleted'));
  if (existence && compareOrder(order, existence) <= 0) return existence;
  return { deleted: row.op === 'delete', ...order };
}

/** Such a delete is a write of that field, which a device takes back with `deletedAt: null`. */
function holdsDeletedAt(data: unknown): data is Record<string, unknown> {
  return (
    isRecord(data) && Object.hasOwn(data, 'deletedAt') && typeof data['deletedAt'] === 'string'
  );
}

function mergeOutcomes(state: RecordState, row: ChangeRow): Pick<RecordState, 'outcomes'> {
  const known = state.outcomes ?? {};
  const { tableName, op, data } = row;
  const isCarrier =
    tableName === 'aiMissions' &&
    op !== 'delete' &&
    isRecord(data) &&
    Object.hasOwn(data, 'iterations');
  const outcomes = isCarrier ? joinOutcomes(known, data['iterations']) : known;
  return Object.keys(outcomes).length === 0 ? {} : { outcomes };
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
