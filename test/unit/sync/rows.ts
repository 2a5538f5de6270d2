import type { ChangeRow } from '../../../src/sync/change-row.ts';

/** A uuid that sorts by `n`. */
export function uuid(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
}

/** A row of device `phone` on mission `m1`; `n` gives id and created_at (second n of the hour 10:00). */
export function row(n: number, parts: Partial<ChangeRow> = {}): ChangeRow {
  return {
    id: uuid(n),
    tableName: 'aiMissions',
    recordId: 'm1',
    op: 'update',
    data: {},
    fieldMeta: {},
    clientId: 'phone',
    createdAt: at(n),
    schemaVersion: 1,
    actor: null,
    origin: 'user',
    spaceId: null,
    ...parts,
  };
}

/** 2026-01-01T10:00:00Z plus `seconds`, as the log's created_at is selected. */
export function at(seconds: number): string {
  return new Date(Date.UTC(2026, 0, 1, 10) + seconds * 1000).toISOString().replace('Z', '000Z');
}
