import type { ReadRecord, Write } from './types.ts';

/** What one row does, for the eyes: the fields that it sets, with what stood there before. */
export type ShownWrite = {
  op: Write['op'];
  appId: string;
  table: string;
  recordId: string;
  fields: { name: string; before?: unknown; after?: unknown }[];
};

const HOUSEKEEPING: ReadonlySet<string> = new Set([
  'id',
  'userId',
  'spaceId',
  'authorId',
  'visibility',
  'createdAt',
  'updatedAt',
  'deletedAt',
]);

/**
 * The effect of rows before they are written. An insert shows what it says, an update before and
 * after, a deletion what goes. Fields that say nothing (null, '', an empty list) are left out where
 * nothing stood before.
 */
export function shownWrites(
  writes: readonly Write[],
  records: readonly ReadRecord[],
): ShownWrite[] {
  return writes.map((write) => {
    const { op, appId, table, recordId } = write;
    const record = records.find(
      (one) => one.appId === appId && one.table === table && one.recordId === recordId,
    );
    return { op, appId, table, recordId, fields: fieldsOf(write, record) };
  });
}

function fieldsOf({ op, data }: Write, record: ReadRecord | undefined): ShownWrite['fields'] {
  const before = (name: string): unknown => at(record?.data ?? {}, name);
  if (op === 'delete')
    return Object.entries(record?.data ?? {})
      .filter(([name, value]) => !HOUSEKEEPING.has(name) && !isEmpty(value))
      .map(([name, value]) => ({ name, before: value }));
  return Object.entries(data)
    .filter(
      ([name, after]) => !HOUSEKEEPING.has(name) && !(isEmpty(before(name)) && isEmpty(after)),
    )
    .map(([name, after]) =>
      op === 'insert' ? { name, after } : { name, before: before(name) ?? null, after },
    );
}

function at(data: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(data, name)) return data[name];
  return name.split('.').reduce<unknown>((value, part) => {
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)[part]
      : undefined;
  }, data);
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true;
  return Array.isArray(value) && value.length === 0;
}
