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
  const {
    userId,
    recordId,
    data,
    appId = 'ai',
    table = 'aiMissions',
    op = 'insert',
    spaceId = null,
  } = record;
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
export async function runnerRows(
  postgres: Log,
  userId: string,
  recordId: string,
): Promise<RunnerRow[]> {
  const rows = await postgres.query(
    `select id, data, field_meta, actor, origin, space_id, created_at from sync_changes
     where client_id = 'mana-ai-runner' and user_id = $1 and record_id = $2 order by created_at`,
    [userId, recordId],
  );
  return rows as unknown as RunnerRow[];
}

/**
 * A device of its own: it writes a mission's `iterations` as one array, from what it pulled last, with the time of its own clock.
 * Like the web app it knows nothing of what others wrote since.
 */
export class Device {
  readonly #log: Log;
  readonly #mission: { userId: string; recordId: string };
  readonly #clientId = `device-${randomUUID()}`;
  readonly #clockAheadMs: number;
  iterations: MissionFields[] = [];

  constructor(log: Log, mission: { userId: string; recordId: string }, { clockAheadMs = 0 } = {}) {
    this.#log = log;
    this.#mission = mission;
    this.#clockAheadMs = clockAheadMs;
  }

  /** Takes over the array as last-writer-wins leaves it. */
  async pull(): Promise<MissionFields[]> {
    this.iterations = await mergedIterations(this.#log, this.#mission);
    return this.iterations;
  }

  /** Adds an iteration of its own to the array it has, and writes the whole. */
  async add(id: string): Promise<void> {
    const own = {
      id,
      source: 'browser',
      overallStatus: 'approved',
      startedAt: new Date().toISOString(),
      plan: [],
    };
    this.iterations = [...this.iterations, own];
    await this.write({ iterations: this.iterations });
  }

  async remove(id: unknown): Promise<void> {
    this.iterations = this.iterations.filter((item) => item['id'] !== id);
    await this.write({ iterations: this.iterations });
  }

  async write(data: MissionFields): Promise<void> {
    const stamp = new Date(Date.now() + this.#clockAheadMs).toISOString();
    const meta = Object.fromEntries(Object.keys(data).map((field) => [field, stamp]));
    const { userId, recordId } = this.#mission;
    await this.#log.query(
      `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, field_meta, client_id, origin)
       values ('ai', 'aiMissions', $1, $2, 'update', $3, $4, $5, 'user')`,
      [recordId, userId, JSON.stringify(data), JSON.stringify(meta), this.#clientId],
    );
  }
}

/** What any reader of the log makes of a mission's iterations. */
export async function mergedIterations(
  log: Log,
  { userId, recordId }: { userId: string; recordId: string },
): Promise<MissionFields[]> {
  const rows = await log.query(
    `select data -> 'iterations' as iterations from sync_changes where user_id = $1 and record_id = $2 and data ? 'iterations'
     order by (field_meta ->> 'iterations')::timestamptz desc, created_at desc, id desc limit 1`,
    [userId, recordId],
  );
  return (rows[0]?.['iterations'] ?? []) as MissionFields[];
}
