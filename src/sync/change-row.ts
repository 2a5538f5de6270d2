import { parseJson } from '../values/json.ts';

/** Our name in the sync log; every other client id is somebody's device. */
export const RUNNER_CLIENT_ID = 'mana-ai-runner';

/** The name under which the device API writes: to the merge it is a device like any other. */
export const DEVICE_API_CLIENT_ID = 'mana-edge-api';

const ops = ['insert', 'update', 'delete'] as const;

/** One row of `sync_changes` as read (facts: sync-changes.sql); plain JSON. */
export type ChangeRow = {
  /** uuid in lower case, as Postgres writes it */
  id: string;
  tableName: string;
  recordId: string;
  op: (typeof ops)[number];
  /** parsed JSON of any shape: devices write it. Numbers are not rounded (values/json.ts) */
  data: unknown;
  /** parsed JSON of any shape; meant to be field -> stamp */
  fieldMeta: unknown;
  clientId: string;
  /** RFC 3339 in UTC with microseconds: `YYYY-MM-DDTHH:MM:SS.ffffffZ` */
  createdAt: string;
  schemaVersion: number;
  actor: unknown;
  origin: string | null;
  spaceId: string | null;
};

/** A row that we append. Its `fieldMeta` holds text only: mana-sync reads it as a map of text to text. */
export type NewChangeRow = {
  id: string;
  appId: 'ai';
  tableName: string;
  recordId: string;
  userId: string;
  op: 'update';
  data: Record<string, unknown>;
  fieldMeta: Record<string, string>;
  clientId: typeof RUNNER_CLIENT_ID;
  actor: Record<string, unknown>;
  origin: 'agent' | 'system';
  spaceId: string | null;
};

/** A row that we append for the person, as a device of theirs would. */
export type DeviceChangeRow = Omit<NewChangeRow, 'appId' | 'op' | 'clientId' | 'origin'> & {
  appId: string;
  op: ChangeRow['op'];
  clientId: typeof DEVICE_API_CLIENT_ID;
  origin: 'user';
};

/** A row lacks a column: the SELECT list is wrong. What devices write never causes this. */
export class ChangeRowError extends Error {
  readonly code = 'MALFORMED_CHANGE_ROW';

  constructor(column: string) {
    super(`change row: column ${column} is missing or of another type`);
    this.name = 'ChangeRowError';
  }
}

/**
 * Reads a row as Postgres gives it: columns id, table_name, record_id, op, data, field_meta, client_id, created_at
 * (`YYYY-MM-DDTHH:MM:SS.ffffffZ`), schema_version, actor, origin, space_id; data, field_meta and actor as JSON text or null.
 * @throws ChangeRowError where a column is missing
 */
export function parseChangeRow(raw: Readonly<Record<string, unknown>>): ChangeRow {
  const op = text(raw, 'op');
  if (!isOp(op)) throw new ChangeRowError('op');
  return {
    id: text(raw, 'id'),
    tableName: text(raw, 'table_name'),
    recordId: text(raw, 'record_id'),
    op,
    data: json(raw, 'data'),
    fieldMeta: json(raw, 'field_meta'),
    clientId: text(raw, 'client_id'),
    createdAt: text(raw, 'created_at'),
    schemaVersion: integer(raw, 'schema_version'),
    actor: json(raw, 'actor'),
    origin: textOrNull(raw, 'origin'),
    spaceId: textOrNull(raw, 'space_id'),
  };
}

/** True for a row that somebody's device wrote. */
export function isDeviceRow(row: ChangeRow): boolean {
  return row.clientId !== RUNNER_CLIENT_ID;
}

function isOp(value: string): value is ChangeRow['op'] {
  return (ops as readonly string[]).includes(value);
}

function text(raw: Readonly<Record<string, unknown>>, column: string): string {
  const value = raw[column];
  if (typeof value !== 'string') throw new ChangeRowError(column);
  return value;
}

function textOrNull(raw: Readonly<Record<string, unknown>>, column: string): string | null {
  return (raw[column] ?? null) === null ? null : text(raw, column);
}

function integer(raw: Readonly<Record<string, unknown>>, column: string): number {
  const value = raw[column];
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number)) throw new ChangeRowError(column);
  return number;
}

/** The text itself where it is no JSON: a string is no object, so the merge skips and counts such a row. */
function json(raw: Readonly<Record<string, unknown>>, column: string): unknown {
  const value = textOrNull(raw, column);
  if (value === null) return null;
  try {
    return parseJson(value);
  } catch {
    return value;
  }
}
