import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';

export const DEMO_USER = 'demo-user';

const CLIENT_ID = 'demo-device';

/** A record as a device writes it. */
export type DemoRecord = {
  appId: string;
  table: string;
  id: string;
  data: Record<string, unknown>;
};

/**
 * A goal and three missions of a demo user, written as a device of theirs would write them; once,
 * also over several starts.
 */
export async function seedDemoUser(client: Client, nowMs: number): Promise<void> {
  const { rowCount } = await client.query(`select 1 from sync_changes where user_id = $1 limit 1`, [
    DEMO_USER,
  ]);
  if (rowCount !== 0) return;
  for (const record of demoRecords(nowMs)) await insertRecord(client, record, nowMs);
}

function demoRecords(nowMs: number): DemoRecord[] {
  const goal = { module: 'goals', table: 'companionGoals', id: 'demo-goal' };
  const now = new Date(nowMs).toISOString();
  const tomorrow = new Date(nowMs + 24 * 3_600_000).toISOString();
  return [
    {
      appId: 'companion',
      table: 'companionGoals',
      id: goal.id,
      data: {
        title: 'Read twelve books this year',
        status: 'active',
        currentValue: 4,
        target: { value: 12, period: 'year' },
      },
    },
    mission('demo-reading', {
      title: 'Keep me reading',
      objective: 'Look at my reading goal and plan a task that brings it forward this week.',
      cadence: { kind: 'daily', atHour: 9, atMinute: 0 },
      nextRunAt: now,
      inputs: [goal],
    }),
    mission('demo-week', {
      title: 'Plan my week',
      objective: 'Every Monday, propose tasks that prepare the week.',
      cadence: { kind: 'weekly', dayOfWeek: 1, atHour: 8, atMinute: 0 },
      nextRunAt: tomorrow,
      inputs: [],
    }),
    mission('demo-review', {
      title: 'Review my notes',
      objective: 'Propose a note with open questions.',
      cadence: { kind: 'manual' },
      nextRunAt: null,
      inputs: [],
    }),
  ];
}

function mission(id: string, fields: Record<string, unknown>): DemoRecord {
  const data = { state: 'active', conceptMarkdown: '', iterations: [], ...fields };
  return { appId: 'ai', table: 'aiMissions', id, data };
}

/** One change row of the demo user's device. */
export async function insertRecord(
  client: Client,
  { appId, table, id, data }: DemoRecord,
  nowMs: number,
): Promise<void> {
  const stamp = new Date(nowMs).toISOString();
  const fieldMeta = Object.fromEntries(Object.keys(data).map((field) => [field, stamp]));
  await client.query(
    `insert into sync_changes (id, app_id, table_name, record_id, user_id, op, data, field_meta, client_id, origin)
     values ($1, $2, $3, $4, $5, 'insert', $6, $7, $8, 'user')`,
    [
      randomUUID(),
      appId,
      table,
      id,
      DEMO_USER,
      JSON.stringify(data),
      JSON.stringify(fieldMeta),
      CLIENT_ID,
    ],
  );
}
