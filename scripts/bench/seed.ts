import { randomUUID } from 'node:crypto';
import type { BenchDatabase } from './database.ts';

const ROWS_PER_INSERT = 500;

const OBJECTIVE =
  'Look at what is open, at what the week brings, and at what was planned before; then propose the one or two next steps that bring this forward without adding to the load. Prefer what can be done in one sitting.';
const CONCEPT = `${'Keep it small, keep it kind, and say why. '.repeat(12)}\n\n- mornings are for deep work\n- nothing after eight`;

/** `key`: the marker that the model reads in the prompt, and the record's id. */
export type SeededMission = { userId: string; key: string; nextRunAt: string };

/** Names for `count` users with one mission each. */
export function missionsDueAt(count: number, dueMs: number): SeededMission[] {
  const batch = randomUUID().slice(0, 8);
  return Array.from({ length: count }, (_, n) => ({
    userId: `user-${batch}-${n}`,
    key: `mission-${batch}-${n}`,
    nextRunAt: new Date(dueMs).toISOString(),
  }));
}

/** Writes missions as a sync server does for devices, many rows to a statement. */
export async function insertMissions(
  database: BenchDatabase,
  missions: readonly SeededMission[],
): Promise<void> {
  for (let start = 0; start < missions.length; start += ROWS_PER_INSERT) {
    const rows = missions.slice(start, start + ROWS_PER_INSERT).map((mission) => ({
      user_id: mission.userId,
      record_id: mission.key,
      data: missionData(mission),
    }));
    await database.query(INSERT, [JSON.stringify(rows), new Date().toISOString()]);
  }
}

const INSERT = `
  insert into sync_changes (app_id, table_name, record_id, user_id, op, data, field_meta, client_id, origin)
  select 'ai', 'aiMissions', record_id, user_id, 'insert', data,
    (select jsonb_object_agg(field, $2::text) from jsonb_object_keys(data) as field), 'bench-device', 'user'
  from jsonb_to_recordset($1::jsonb) as missions(user_id text, record_id text, data jsonb)`;

function missionData({ key, nextRunAt }: SeededMission): Record<string, unknown> {
  return {
    title: `A steady week (${key}#)`,
    objective: OBJECTIVE,
    conceptMarkdown: CONCEPT,
    state: 'active',
    cadence: { kind: 'daily', atHour: 9, atMinute: 0 },
    nextRunAt,
    inputs: [],
    iterations: [],
  };
}

/**
 * Fills the log up to `rows` rows of earlier users, and registers these users. The runner is not
 * told, since old rows are nothing new to it.
 */
export async function fillLog(database: BenchDatabase, users: number, rows: number): Promise<void> {
  await database.query(`alter table sync_changes disable trigger user`);
  await database.query(
    `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, field_meta, client_id, created_at)
     select 'ai', 'aiMissions', 'm' || n / $1::int, 'old-' || n % $1::int, 'update', '{"title":"Old"}', '{"title":"2025-01-01T00:00:00.000Z"}',
       'bench-device', timestamptz '2025-01-01' + n * interval '1 second'
     from generate_series(1, greatest(0, $2::int - (select count(*)::int from sync_changes))) as n`,
    [users, rows],
  );
  await database.query(`alter table sync_changes enable trigger user`);
  await database.query(
    `insert into mana_ai.users (user_id) select 'old-' || n from generate_series(0, $1::int - 1) as n on conflict do nothing`,
    [users],
  );
  await database.query(`analyze sync_changes`);
}
