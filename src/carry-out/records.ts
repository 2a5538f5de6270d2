import { isCiphertext } from '../grants/fields.ts';
import type { Table } from './tables.ts';
import { CannotCarryOut, type Need, type ReadRecord } from './types.ts';

/** What was read for a step. */
export class Records {
  readonly #all: readonly ReadRecord[];

  constructor(all: readonly ReadRecord[]) {
    this.#all = all;
  }

  /**
   * The record that a step works on. @throws CannotCarryOut RECORD_MISSING where there is none, or
   * it is deleted
   */
  one(table: Table, recordId: string, noun: string): ReadRecord {
    const found = this.find(table, recordId);
    if (found === null)
      throw new CannotCarryOut('RECORD_MISSING', `There is no ${noun} ${recordId} any more.`);
    return found;
  }

  find(table: Table, recordId: string): ReadRecord | null {
    return this.live(table).find((record) => record.recordId === recordId) ?? null;
  }

  live(table: Table): ReadRecord[] {
    return this.withDeleted(table).filter((record) => !isDeleted(record));
  }

  withDeleted({ appId, table }: Table): ReadRecord[] {
    return this.#all.filter((record) => record.appId === appId && record.table === table);
  }
}

function isDeleted({ deleted, data }: ReadRecord): boolean {
  const { deletedAt } = data;
  return deleted === true || (typeof deletedAt === 'string' && deletedAt !== '');
}

/** One record. */
export function needOne({ appId, table }: Table, recordId: string): Need {
  return { appId, table, recordId };
}

/** All live records of a table. */
export function needAll({ appId, table }: Table): Need {
  return { appId, table };
}

/** All records of a table, deleted ones too. */
export function needEver({ appId, table }: Table): Need {
  return { appId, table, deleted: true };
}

/** A field's opened value. @throws CannotCarryOut NOT_OPENED where it is still encrypted */
export function opened(record: ReadRecord, field: string): unknown {
  const value = record.data[field] ?? null;
  if (isCiphertext(value))
    throw new CannotCarryOut(
      'NOT_OPENED',
      `${field} of ${record.table} ${record.recordId} is encrypted and could not be opened; unlock your records first.`,
    );
  return value;
}

/** A field's opened text; '' where it is none. @throws CannotCarryOut NOT_OPENED */
export function openedText(record: ReadRecord, field: string): string {
  const value = opened(record, field);
  return typeof value === 'string' ? value : '';
}

export function listOf(record: ReadRecord, field: string): unknown[] {
  const value = record.data[field];
  return Array.isArray(value) ? (value as unknown[]) : [];
}

export function numberOf(record: ReadRecord, field: string): number | null {
  const value = record.data[field];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function textOf(record: ReadRecord, field: string): string | null {
  const value = record.data[field];
  return typeof value === 'string' && value !== '' ? value : null;
}
