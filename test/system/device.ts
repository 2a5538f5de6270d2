import { randomUUID } from 'node:crypto';
import type { TestPostgres } from './postgres.ts';

/** The part of a database that a device needs. */
export type Log = Pick<TestPostgres, 'query'>;

export type MissionFields = Record<string, unknown>;

export const PAST = '2026-01-01T00:00:00.000Z';

/** A mission that is due and plannable as it stands. */
export function dueMission(fields: MissionFields = {}): MissionFields {
  return {
    title: 'Groceries',
    objective: 'Plan what to buy.',
    conceptMarkdown: '',
    state: 'active',
    cadence: { kind: 'daily', atHour: 9, atMinute: 0 },
    nextRunAt: PAST,
    inputs: [],
    iterations: [],
    ...fields,
  };
}

/** Writes a record as a device does; returns the row's id. */
export async function writeRecord(
  postgres: Log,
  record: {
    userId: string;
    recordId: string;
    data: unknown;
    appId?: string;
    table?: string;
    op?: string;
    spaceId?: string;
  },
): Promise<string> {
  const { userId, recordId, data, appId = 'ai', table = 'aiMissions', op = 'insert', spaceId = null } = record;
  const id = randomUUID();
  const stamp = new Date().toISOString();
  const fields = typeof data === 'object' && data !== null ? Object.keys(data) : [];
  await postgres.query(
    `insert into sync_changes (id, app_id, table_name, record_id, user_id, op, data, field_meta, client_id, origin, space_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8, 'test-device', 'user', $9)`,
    [
      id,
      appId,
      table,
      recordId,
      userId,
      op,
      JSON.stringify(data),
      JSON.stringify(Object.fromEntries(fields.map((field) => [field, stamp]))),
      spaceId,
    ],
  );
  return id;
}

export type RunnerRow = {
  id: string;
  data: { iterations?: Record<string, unknown>[]; nextRunAt?: string | null };
  field_meta: Record<string, unknown>;
  actor: Record<string, unknown>;
  origin: string;
  space_id: string | null;
  created_at: Date;
};

/** What the runner wrote about a mission, oldest first. */
export async function runnerRows(postgres: Log, userId: string, recordId: string): Promise<RunnerRow[]> {
  const rows = await postgres.query(
    `select id, data, field_meta, actor, origin, space_id, created_at from sync_changes
     where client_id = 'mana-ai-runner' and user_id = $1 and record_id = $2 order by created_at`,
    [userId, recordId],
  );
  return rows as unknown as RunnerRow[];
}
