import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../scripts/migrate.ts';
import type { Statement } from '../../src/postgres/port.ts';
import { selectMissedChanges, selectOutboxPage } from '../../src/sync/feed-queries.ts';
import { selectPending } from '../../src/sync/queries.ts';
import { dueMission, runnerRows, writeRecord } from './support/device.ts';
import { type LlmStub, startLlmStub } from './support/llm-stub.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { type Runner, startRunner, waitFor } from './support/runner.ts';

let postgres: TestPostgres;
let llm: LlmStub;
let runner: Runner;

beforeEach(async () => {
  postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
  llm = await startLlmStub();
  const environment = { MANA_AI_TICK_INTERVAL_MS: '500', MANA_LLM_MAX_CONCURRENCY: '8' };
  runner = await startRunner({ databaseUrl: postgres.databaseUrl, llmUrl: llm.url, environment });
});

afterEach(async () => {
  await runner?.dispose();
  await llm?.close();
  await postgres?.stop();
});

/** Deletes what the runner stores, or the storage of one class of objects alone. */
function loseStorage(objects: string | null): void {
  const folder =
    objects === null ? runner.dataDir : `${runner.dataDir}/mana-ai-objects/mana-ai-${objects}`;
  const names = readdirSync(folder);
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) rmSync(`${folder}/${name}`, { recursive: true });
}

async function rowCounts(): Promise<number[]> {
  const rows = await postgres.query(
    `select count(*)::int as n from sync_changes where client_id = 'mana-ai-runner' group by user_id, record_id`,
  );
  return rows.map((row) => Number(row['n']));
}

async function untilMissionsWritten(count: number): Promise<void> {
  await waitFor(
    async () => ((await rowCounts()).length === count ? true : undefined),
    `${count} missions`,
    60_000,
  );
}

/** One due mission for each of many people, in one statement. */
async function insertMissions(users: number, recordId: string, nextRunAt: string): Promise<void> {
  await postgres.query(
    `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, client_id)
     select 'ai', 'aiMissions', $2, 'user-' || n, 'insert', $3, 'test-device' from generate_series(1, $1::int) n`,
    [users, recordId, JSON.stringify(dueMission({ nextRunAt }))],
  );
}

describe('a runner that lost', () => {
  it('its whole storage finds a hundred people by itself within a minute, and plans nothing again', async () => {
    await insertMissions(20, 'planned', '2026-01-01T00:00:00Z');
    await untilMissionsWritten(20);
    await runner.kill();
    loseStorage(null);
    await insertMissions(100, 'due', '2026-01-01T00:00:00Z');
    // As if it had all been delivered: nobody but the sweep can find these.
    await postgres.query('truncate mana_ai.change_outbox');
    await runner.restart();
    const startedMs = Date.now();
    await untilMissionsWritten(120);
    expect(Date.now() - startedMs).toBeLessThan(60_000);
    await runner.internal('/internal/tick', 'POST');
    expect(new Set(await rowCounts())).toEqual(new Set([1]));
  }, 180_000);

  it.each(['Dispatcher', 'ChangeFeed', 'UserMissions'])(
    'the storage of %s alone finds what is due',
    async (name) => {
      const [first, second] = [randomUUID(), randomUUID()];
      const nextRunAt = new Date(Date.now() + 6_000).toISOString();
      await writeRecord(postgres, { userId: first, recordId: 'm', data: dueMission() });
      await writeRecord(postgres, {
        userId: second,
        recordId: 'm',
        data: dueMission({ nextRunAt }),
      });
      await untilMissionsWritten(1);
      await waitFor(async () => {
        const { missions } = await (
          await runner.internal(`/internal/missions/${second}`)
        ).json<{ missions: unknown[] }>();
        return missions.length === 1 ? true : undefined;
      }, 'the second mission to be known');
      await runner.kill();
      loseStorage(name);
      await runner.restart();
      await untilMissionsWritten(2);
      for (const userId of [first, second])
        expect(await runnerRows(postgres, userId, 'm')).toHaveLength(1);
    },
  );
});

describe('a change that the trigger could not note', () => {
  it('because its table was locked does not fail the insert, and is found without waiting for the daily sweep', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'known', data: dueMission() });
    await untilMissionsWritten(1);
    const locker = new Client({ connectionString: postgres.databaseUrl });
    await locker.connect();
    await locker.query('begin');
    await locker.query('lock table mana_ai.change_outbox in access exclusive mode');
    await writeRecord(postgres, { userId, recordId: 'missed', data: dueMission() });
    await locker.query('commit');
    await locker.end();
    expect(await postgres.query('select 1 from mana_ai.change_outbox where since > now()')).toEqual(
      [],
    );
    await waitFor(
      async () => (await runnerRows(postgres, userId, 'missed'))[0],
      'the missed mission',
      30_000,
    );
  });
});

describe('a person whom the trigger could not put on the list of users', () => {
  it('is put on it by the first reading of the log, so that sweeps find the person', async () => {
    const userId = randomUUID();
    const locker = new Client({ connectionString: postgres.databaseUrl });
    await locker.connect();
    await locker.query(`begin`);
    // As a transaction would that is adding the same person, and is rolled back later.
    await locker.query(
      `select pg_advisory_xact_lock(hashtextextended('mana_ai.users:' || $1, 0))`,
      [userId],
    );
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission() });
    await locker.query('rollback');
    await locker.end();
    await untilMissionsWritten(1);
    expect(await postgres.query('select user_id from mana_ai.users')).toEqual([
      { user_id: userId },
    ]);
  });
});

describe('with nothing due', () => {
  it('the poll reads an index of the outbox and no row of the log, however many people are registered', async () => {
    await insertMissions(300, 'm', '2031-01-01T00:00:00Z');
    await waitFor(async () => {
      const [row] = await postgres.query('select count(*)::int as n from mana_ai.change_outbox');
      return row?.['n'] === 0 ? true : undefined;
    }, 'all to be delivered');
    await pollsSeen(5);
    const before = await scansOfLog();
    const ticks = await ticksTotal();
    await pollsSeen(10);
    expect(await scansOfLog()).toBe(before);
    expect(await ticksTotal()).toBe(ticks);
  });

  it('every statement that is asked again and again uses an index, whatever the size of the log', async () => {
    await postgres.query(
      `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, client_id)
       select case n % 5 when 0 then 'ai' else 'todo' end, 'tasks', 'r' || n % 5000, 'user-' || n % 500, 'update', '{}', 'mana-ai-runner'
       from generate_series(1, 100000) n`,
    );
    await postgres.query('analyze sync_changes');
    const position = { horizon: '1', afterXid: '0', afterId: '0' };
    for (const statement of [
      selectMissedChanges(),
      selectOutboxPage(position),
      selectPending('user-7'),
    ]) {
      const plan = await planOf(statement);
      expect(plan).not.toMatch(/Seq Scan on (sync_changes|change_outbox)/);
    }
  });
});

async function scansOfOutbox(): Promise<number> {
  const [row] = await postgres.query(
    `select coalesce(idx_scan, 0) as n from pg_stat_user_tables where schemaname = 'mana_ai' and relname = 'change_outbox'`,
  );
  return Number(row?.['n']);
}

/** Statistics reach the server's views within a second or two of the poll. */
async function pollsSeen(more: number): Promise<void> {
  const before = await scansOfOutbox();
  await waitFor(
    async () => ((await scansOfOutbox()) >= before + more ? true : undefined),
    `${more} polls`,
    60_000,
  );
}

async function scansOfLog(): Promise<number> {
  const [row] = await postgres.query(
    `select seq_scan + coalesce(idx_scan, 0) as n from pg_stat_user_tables where relname = 'sync_changes'`,
  );
  return Number(row?.['n']);
}

async function ticksTotal(): Promise<string | undefined> {
  return /^mana_ai_ticks_total (\d+)$/m.exec(await (await runner.get('/metrics')).text())?.[1];
}

async function planOf({ text, values }: Statement): Promise<string> {
  // An empty outbox is read in whole unless that is forbidden: a page of it is all there is.
  await postgres.query('set enable_seqscan = off');
  const rows = await postgres.query(`explain ${text}`, values);
  await postgres.query('reset enable_seqscan');
  return rows.map((row) => String(row['QUERY PLAN'])).join('\n');
}
