import { carriedPartId, carriedRecordId } from './ids.ts';
import type { Params } from './params.ts';
import type { Records } from './records.ts';
import type { RowRule } from './tables.ts';
import type { CarryOutContext, Effect, Need, ReadRecord, Write } from './types.ts';

/**
 * How one tool is carried out. `writes`: all kinds of row that it may write. `needs`: what must be
 * read, from what was read so far. `carryOut` adds rows to the step and says what it did.
 */
export type CarryOutTool = {
  effect: Effect;
  writes: readonly RowRule[];
  needs?: (params: Params, records: Records) => Need[];
  carryOut: (step: Step) => string;
};

/** A tool that no row can carry out: only the app can do it. */
export type AppOnlyTool = { effect: Effect; appOnly: true };

/** The tools of one module of the app. */
export type ModuleTools = {
  module: string;
  /** its name in the sync log */
  appId: string;
  tools: Readonly<Record<string, CarryOutTool | AppOnlyTool>>;
};

export function appOnly(effect: Effect): AppOnlyTool {
  return { effect, appOnly: true };
}

type Values<Field extends string> = Partial<Record<Field, unknown>>;

/**
 * A step that is being carried out: what it says, what was read, and the rows that it writes, in
 * their order.
 */
export class Step {
  readonly params: Params;
  readonly records: Records;
  readonly writes: Write[] = [];
  readonly #context: CarryOutContext;

  constructor(context: CarryOutContext, params: Params, records: Records) {
    this.#context = context;
    this.params = params;
    this.records = records;
  }

  get now(): string {
    return new Date(this.#context.nowMs).toISOString();
  }

  get timeZone(): string {
    return this.#context.timeZone;
  }

  get agentId(): string | null {
    return this.#context.agentId ?? null;
  }

  /** The day in UTC, which is what the app calls today. */
  get today(): string {
    return this.now.slice(0, 10);
  }

  /** The date and the time of day where the person is. */
  get local(): { day: string; time: string } {
    return localTime(this.#context.nowMs, this.timeZone);
  }

  /** The id that the n-th write of this step gives to the record that it makes. */
  idOf(n: number): string {
    return carriedRecordId(this.#context.userId, this.#context.stepId, n);
  }

  /** An id inside a record. */
  partId(part: string, n: number): string {
    return carriedPartId(this.#context.userId, this.#context.stepId, part, n);
  }

  /** Makes a record. `beside`: the record in whose space it belongs. Absent fields are left out. */
  insert<Field extends string>(
    rule: RowRule<Field>,
    fields: Values<Field | 'visibility'>,
    beside?: ReadRecord,
  ): void {
    const { table, id } = rule;
    const literal = (fields as Record<string, unknown>)['id'];
    const recordId =
      id !== undefined && 'is' in id
        ? id.is
        : typeof literal === 'string'
          ? literal
          : this.idOf(this.writes.length);
    const data = {
      ...given(fields),
      id: recordId,
      createdAt: this.now,
      updatedAt: this.now,
      ...(table.userLevel === true
        ? { userId: this.#context.userId }
        : {
            spaceId: this.#spaceOf(beside),
            authorId: this.#context.userId,
            visibility: fields['visibility' as keyof typeof fields] ?? 'space',
          }),
    };
    this.writes.push({ appId: table.appId, table: table.table, recordId, op: 'insert', data });
  }

  /** Changes a record. The stamps of what it changes are its basis. */
  update<Field extends string>(
    { table, byParts }: RowRule<Field>,
    record: ReadRecord,
    fields: Values<Field>,
  ): void {
    const data = byParts === true ? changedParts(record, fields) : given(fields);
    this.#change(record, { appId: table.appId, table: table.table, op: 'update', data });
  }

  delete({ table }: RowRule<'deletedAt'>, record: ReadRecord): void {
    const data = { deletedAt: this.now };
    this.#change(record, { appId: table.appId, table: table.table, op: 'delete', data });
  }

  #change(record: ReadRecord, write: Omit<Write, 'recordId' | 'basis'>): void {
    const basis = basisOf(record, write);
    const based = Object.keys(basis).length === 0 ? {} : { basis };
    this.writes.push({ ...write, recordId: record.recordId, ...based });
  }

  #spaceOf(beside: ReadRecord | undefined): string {
    const { spaceId, userId } = this.#context;
    const own = beside === undefined ? null : (beside.spaceId ?? beside.data['spaceId'] ?? null);
    return typeof own === 'string' && own !== '' ? own : (spaceId ?? `_personal:${userId}`);
  }
}

/**
 * Of a change the stamps of the fields that it changes; of a deletion all of them: who deletes
 * means the record as they saw it.
 */
function basisOf(
  { stamps = {} }: ReadRecord,
  { op, data }: Pick<Write, 'op' | 'data'>,
): Record<string, string> {
  const changed = Object.keys(data);
  const isSeen = (field: string): boolean =>
    changed.some(
      (name) => field === name || field.startsWith(`${name}.`) || name.startsWith(`${field}.`),
    );
  return Object.fromEntries(
    Object.entries(stamps).filter(([field]) => op === 'delete' || isSeen(field)),
  );
}

/**
 * The leaves in which an object that stands differs from what it shall be: `field.key`; keys that
 * go become null.
 */
function changedParts(record: ReadRecord, fields: Values<string>): Record<string, unknown> {
  const parts: Record<string, unknown> = {};
  for (const [field, wanted] of Object.entries(fields)) {
    const before = record.data[field];
    if (!isPlain(before) || !isPlain(wanted)) {
      parts[field] = wanted;
      continue;
    }
    for (const key of new Set([...Object.keys(before), ...Object.keys(wanted)]))
      if (JSON.stringify(before[key] ?? null) !== JSON.stringify(wanted[key] ?? null))
        parts[`${field}.${key}`] = wanted[key] ?? null;
  }
  return parts;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function given(fields: Values<string>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** YYYY-MM-DD and HH:mm of an instant in a zone. */
export function localTime(nowMs: number, timeZone: string): { day: string; time: string } {
  const format = new Intl.DateTimeFormat('en-CA-u-ca-gregory-nu-latn', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  const parts = Object.fromEntries(
    format.formatToParts(nowMs).map(({ type, value }) => [type, value]),
  );
  return {
    day: `${parts['year']}-${parts['month']}-${parts['day']}`,
    time: `${parts['hour']}:${parts['minute']}`,
  };
}
