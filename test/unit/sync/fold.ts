import type { ChangeRow } from '../../../src/sync/change-row.ts';
import { parseStamp } from '../../../src/values/stamps.ts';

type Write = { field: string; value: unknown; stampUs: number; createdUs: number; rowId: string };
type Json = Record<string, unknown>;

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The second way to merge: all writes of all rows sorted by stamp, each put over the ones before it. It keeps no registers and covers nothing.
 * Fields of the record without its id; null where it is deleted or no row counts.
 */
export function folded(rows: readonly ChangeRow[]): Json | null {
  const read = [...new Map(rows.map((one) => [one.id, one])).values()].filter(
    ({ schemaVersion, op, data }) => schemaVersion <= 1 && (op === 'delete' || isJson(data)),
  );
  const writes = read.flatMap(writesOf).toSorted(byOrder);
  const record: Json = {};
  for (const { field, value } of writes) put(record, field.split('.'), value);
  const lives = read.flatMap(lifeOf).toSorted(byOrder);
  const deletedAt = record['deletedAt'];
  const isDead =
    lives.at(-1)?.value === 'dead' || (typeof deletedAt === 'string' && deletedAt !== '');
  return read.length === 0 || isDead ? null : record;
}

function writesOf(row: ChangeRow): Write[] {
  if (!isJson(row.data)) return [];
  const names =
    row.op === 'delete'
      ? ['deletedAt'].filter((name) => typeof (row.data as Json)[name] === 'string')
      : Object.keys(row.data);
  return names
    .filter((name) => !name.startsWith('__') && name !== 'id' && !name.startsWith('id.'))
    .filter(
      (name) => !name.includes('.') || !/(^|\.)(__proto__|constructor|prototype)(\.|$)/.test(name),
    )
    .toSorted((a, b) => a.split('.').length - b.split('.').length)
    .map((field) => ({ field, value: (row.data as Json)[field], ...orderIn(row, field) }));
}

function lifeOf(row: ChangeRow): Write[] {
  const isFieldDelete = isJson(row.data) && typeof row.data['deletedAt'] === 'string';
  if (row.op === 'update' || (row.op === 'delete' && isFieldDelete)) return [];
  const createdUs = parseStamp(row.createdAt)!;
  const stampUs = metaStamp(row, '__deleted') ?? createdUs;
  const value = row.op === 'delete' ? 'dead' : 'alive';
  return [{ field: '', value, stampUs, createdUs, rowId: row.id }];
}

function orderIn(row: ChangeRow, field: string): Omit<Write, 'field' | 'value'> {
  const createdUs = parseStamp(row.createdAt)!;
  const dates =
    row.op === 'insert' && isJson(row.data) ? [row.data['updatedAt'], row.data['createdAt']] : [];
  const stamps = [metaStamp(row, field), ...dates.map(parseStamp)].filter((us) => us !== null);
  return { stampUs: stamps[0] ?? createdUs, createdUs, rowId: row.id };
}

function metaStamp({ fieldMeta }: ChangeRow, field: string): number | null {
  if (!isJson(fieldMeta) || !Object.hasOwn(fieldMeta, field)) return null;
  const meta = fieldMeta[field];
  return parseStamp(isJson(meta) && 'at' in meta ? meta['at'] : meta);
}

function byOrder(a: Write, b: Write): number {
  return (
    a.stampUs - b.stampUs ||
    a.createdUs - b.createdUs ||
    (a.rowId < b.rowId ? -1 : Number(a.rowId > b.rowId))
  );
}

function put(object: Json, [name, ...rest]: string[], value: unknown): void {
  if (rest.length === 0) {
    object[name!] = value;
    return;
  }
  const inner = Object.hasOwn(object, name!) ? object[name!] : undefined;
  const copy: Json = isJson(inner) ? { ...inner } : {};
  object[name!] = copy;
  put(copy, rest, value);
}

/**
 * A device of the app: one record, with a stamp for each key that it has ever applied. It compares stamps as text, and takes what is equal.
 * Written after the app's `applyServerChanges` (apps/mana/apps/web/src/lib/data/sync.ts, April 2026).
 */
export class AppDevice {
  record: Json | null = null;
  #stamps: Record<string, string> = {};

  /** What a pull or the answer of a push brings; `pulledAt` is its clock. */
  apply(row: ChangeRow, pulledAt: string): void {
    const data = (row.data ?? {}) as Json;
    if (row.op === 'delete') return this.#delete(data['deletedAt']);
    if (row.op === 'insert') {
      const at = (data['updatedAt'] ?? data['createdAt'] ?? pulledAt) as string;
      return this.#write(Object.keys(data).map((field) => [field, data[field], at]));
    }
    const meta = row.fieldMeta as Record<string, string>;
    this.#write(
      Object.keys(data)
        .filter((field) => Object.hasOwn(meta, field))
        .map((field) => [field, data[field], meta[field]!]),
    );
  }

  /** A change of the person on this device; the row that it sends. */
  change(fields: Json, at: string): void {
    this.#write(Object.entries(fields).map(([field, value]) => [field, value, at]));
  }

  isAlive(): boolean {
    const deletedAt = this.record?.['deletedAt'];
    return this.record !== null && (typeof deletedAt !== 'string' || deletedAt === '');
  }

  #delete(deletedAt: unknown): void {
    if (this.record === null) return;
    if (typeof deletedAt === 'string') this.#write([['deletedAt', deletedAt, deletedAt]]);
    else {
      this.record = null;
      this.#stamps = {};
    }
  }

  #write(writes: (readonly [field: string, value: unknown, at: string])[]): void {
    this.record ??= {};
    for (const [field, value, at] of writes) {
      if (field === 'id' || at < (this.#stamps[field] ?? '')) continue;
      put(this.record, field.split('.'), value);
      this.#stamps[field] = at;
    }
  }
}
