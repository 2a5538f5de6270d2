import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeSchema } from '../../scripts/database/schema.ts';
import { startEmbeddedPostgres } from '../../scripts/embedded/embedded-postgres.ts';
import { withClient } from '../../scripts/embedded/own-database.ts';
import { checkDatabase, migrate, MigrateError } from '../../scripts/migrate.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';

const LOG = readFile(
  new URL('../../migrations/001_sync_changes.sql', import.meta.url).pathname,
  'utf8',
);

let postgres: TestPostgres;
let databases = 0;

beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres.stop());

type Row = { user: string; app?: string; client?: string; at?: string };

/** An empty database of the same server, with a way to ask it. */
async function freshDatabase(): Promise<{
  url: string;
  query: TestPostgres['query'];
  end: () => Promise<void>;
}> {
  const name = `test_${++databases}`;
  await postgres.query(`create database ${name}`);
  const url = new URL(postgres.databaseUrl);
  url.pathname = `/${name}`;
  const client = new Client({ connectionString: url.href });
  client.on('error', () => undefined);
  await client.connect();
  return {
    url: url.href,
    query: async (text, values) =>
      (await client.query<Record<string, unknown>>(text, [...(values ?? [])])).rows,
    end: () => client.end(),
  };
}

/** The error that migrate ends with. */
async function refusalOf(url: string): Promise<MigrateError> {
  const error: unknown = await migrate(url).catch((caught: unknown) => caught);
  if (error instanceof MigrateError) return error;
  throw new Error(`expected a MigrateError, got ${JSON.stringify(error)}`);
}

/** One INSERT statement for all rows, as mana-sync sends a batch. */
async function insertRows(query: TestPostgres['query'], rows: Row[]): Promise<void> {
  await query(
    `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, client_id, created_at)
     select app, 'aiMissions', 'm1', user_id, 'update', '{}', client, at
     from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as t (app, user_id, client, at)`,
    [
      rows.map((row) => row.app ?? 'ai'),
      rows.map((row) => row.user),
      rows.map((row) => row.client ?? 'phone'),
      rows.map((row) => row.at ?? '2026-01-02T00:00:00Z'),
    ],
  );
}

/** What the existing sync server sends as one query whenever it starts: it makes what is missing and its policies anew. */
const SYNC_SERVER_START = `
  create table if not exists sync_changes (
    id uuid primary key default gen_random_uuid(), app_id text not null, table_name text not null, record_id text not null,
    user_id text not null, op text not null check (op in ('insert', 'update', 'delete')), data jsonb, field_meta jsonb default '{}',
    client_id text not null, created_at timestamptz not null default now(), schema_version int not null default 1, actor jsonb, origin text);
  alter table sync_changes add column if not exists space_id text;
  create index if not exists idx_sync_changes_user_app on sync_changes (user_id, app_id, created_at);
  create index if not exists idx_sync_changes_table_record on sync_changes (table_name, record_id, created_at);
  create index if not exists idx_sync_changes_since on sync_changes (user_id, app_id, table_name, created_at);
  alter table sync_changes enable row level security;
  alter table sync_changes force row level security;
  drop policy if exists sync_changes_user_isolation on sync_changes;
  create policy sync_changes_user_isolation on sync_changes using (user_id = current_setting('app.current_user_id', true))
    with check (user_id = current_setting('app.current_user_id', true));
  drop policy if exists sync_changes_space_member_read on sync_changes;
  create policy sync_changes_space_member_read on sync_changes for select using (space_id is not null
    and space_id = any (string_to_array(coalesce(current_setting('app.current_user_space_ids', true), ''), ',')));`;

const OUTBOX = `select user_id, to_char(since at time zone 'utc', 'YYYY-MM-DD') as since from mana_ai.change_outbox order by user_id`;
const USERS = 'select user_id from mana_ai.users order by user_id';

describe('migrate', () => {
  test('two at once apply each migration once, and a third finds nothing to do', async () => {
    const db = await freshDatabase();
    const [one, two] = await Promise.all([migrate(db.url), migrate(db.url)]);
    const names = (await db.query('select name from mana_ai.migrations order by name')).map(
      (row) => row['name'],
    );
    expect([...one.applied, ...two.applied].toSorted()).toEqual(names);
    expect(await migrate(db.url)).toEqual({ applied: [] });
    expect(await checkDatabase(db.url)).toEqual({ ok: true });
    await db.end();
  });

  test('beside a sync server that starts at the same moment it succeeds, on an empty database and on a full one', async () => {
    for (let round = 0; round < 8; round += 1) {
      const db = await freshDatabase();
      if (round % 2 === 1) await db.query(SYNC_SERVER_START);
      const restarted = db.query(SYNC_SERVER_START).catch(() => db.query(SYNC_SERVER_START));
      const [migrated] = await Promise.all([migrate(db.url), restarted]);
      expect(migrated.applied.length).toBeGreaterThan(0);
      expect(await checkDatabase(db.url)).toEqual({ ok: true });
      await db.end();
    }
  });

  test('each file may run again: a lost ledger does no harm', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    await insertRows(db.query, [{ user: 'a' }]);
    await db.query('drop table mana_ai.migrations');
    await migrate(db.url);
    expect(await db.query(OUTBOX)).toEqual([{ user_id: 'a', since: '2026-01-02' }]);
    await db.end();
  });

  test('an existing log keeps its columns, indexes, policies and rows, and is taken in once', async () => {
    const db = await freshDatabase();
    await db.query(await LOG);
    await db.query('drop policy sync_changes_space_member_read on sync_changes');
    await db.query('alter table sync_changes add column extra text');
    await insertRows(db.query, [
      { user: 'a', at: '2026-01-05T00:00:00Z' },
      { user: 'a', at: '2026-01-03T00:00:00Z' },
      { user: 'b', app: 'todo' },
      { user: 'c', client: 'mana-ai-runner' },
      { user: 'd'.repeat(300) },
    ]);
    const look = async (): Promise<unknown> => [
      await db.query(`select column_name, data_type, is_nullable, column_default from information_schema.columns
                      where table_name = 'sync_changes' order by ordinal_position`),
      await db.query(`select indexdef from pg_indexes where tablename = 'sync_changes' order by 1`),
      await db.query(
        `select policyname, cmd, qual, with_check from pg_policies where tablename = 'sync_changes' order by 1`,
      ),
      await db.query(
        `select relrowsecurity, relforcerowsecurity from pg_class where relname = 'sync_changes'`,
      ),
      await db.query('select * from sync_changes order by id'),
    ];
    const before = await look();
    await migrate(db.url);
    expect(await look()).toEqual(before);
    expect(await db.query(OUTBOX)).toEqual([{ user_id: 'a', since: '2026-01-03' }]);
    expect(await db.query(USERS)).toEqual([{ user_id: 'a' }]);
    await db.end();
  });

  test('an owner from whom row-level security hides the log is told so; with an empty log it may migrate', async () => {
    const db = await freshDatabase();
    await db.query(`create role plain_owner login createrole password 'hush'`);
    await db.query(`grant all on schema public to plain_owner`);
    await db.query(
      `do $$ begin execute format('grant create on database %I to plain_owner', current_database()); end $$`,
    );
    await db.query('grant mana_ai_runner, mana_auth_service to plain_owner with admin option');
    const url = new URL(db.url);
    url.username = 'plain_owner';
    url.password = 'hush';
    await db.query(await LOG);
    await db.query('alter table sync_changes owner to plain_owner');
    await insertRows(db.query, [{ user: 'a' }]);
    const refusal = await refusalOf(url.href);
    expect(refusal.code).toBe('LOG_HIDDEN');
    expect(refusal.message).toMatch(/plain_owner.*BYPASSRLS/);
    await db.query('truncate sync_changes');
    await migrate(url.href);
    expect(await checkDatabase(url.href)).toEqual({ ok: true });
    await db.end();
  });

  test('what all migrations make is committed: after a change, `npm run schema` writes it', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    await db.end();
    const made = await withClient(db.url, 'schema', describeSchema);
    expect(made).toBe(await readFile('migrations/schema.sql', 'utf8'));
  });

  test('an owner who may not grant the roles is told what to do; once a superuser granted them it may migrate', async () => {
    await migrate(postgres.databaseUrl);
    await postgres.query(`create role bare_owner login password 'bare'`);
    await postgres.query('create database bare owner bare_owner');
    const url = new URL(postgres.databaseUrl);
    url.username = 'bare_owner';
    url.password = 'bare';
    url.pathname = '/bare';
    const refusal = await refusalOf(url.href);
    expect(refusal.code).toBe('ROLE_FORBIDDEN');
    expect(refusal.message).toMatch(/superuser.*grant both roles to/);
    await postgres.query('grant mana_ai_runner, mana_auth_service to bare_owner');
    await migrate(url.href);
    expect(await checkDatabase(url.href)).toEqual({ ok: true });
  });

  test('COPY of many rows leaves one outbox row per user', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    await db.query(`copy sync_changes (app_id, table_name, record_id, user_id, op, client_id) from program
      'for i in 1 2 3 4 5 6; do printf "ai\\tt\\tr\\tu%s\\tupdate\\tphone\\n" $((i % 2)); done'`);
    expect(await db.query('select count(*)::int as n from sync_changes')).toEqual([{ n: 6 }]);
    expect((await db.query(OUTBOX)).map((row) => row['user_id'])).toEqual(['u0', 'u1']);
    await db.end();
  });

  test('a ledger with unknown names asks for a newer build', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    await db.query(`insert into mana_ai.migrations (name) values ('999_future')`);
    const refusal = await refusalOf(db.url);
    expect(refusal.code).toBe('DATABASE_NEWER');
    expect(refusal.message).toMatch(/999_future.*deploy a newer build/);
    expect(await checkDatabase(db.url)).toMatchObject({ ok: false, code: 'DATABASE_NEWER' });
    await db.end();
  });

  test('errors are one line without the password', async () => {
    const url = new URL(postgres.databaseUrl);
    url.password = 'wrong%40secret';
    for (const bad of [url.href, 'postgres://u:wrong@secret@127.0.0.1:1/x', 'u:wrong@secret']) {
      const error: unknown = await migrate(bad).catch((caught: unknown) => caught);
      expect(String(error)).not.toMatch(/secret|\n/);
      const check = await checkDatabase(bad);
      expect(check.ok).toBe(false);
      expect(JSON.stringify(check)).not.toMatch(/secret|\\n/);
    }
  });
});

describe('checkDatabase', () => {
  test('tells a database without migrations, a log without row-level security or policies and a role that bypasses it', async () => {
    const db = await freshDatabase();
    expect(await checkDatabase(db.url)).toMatchObject({ ok: false, code: 'NOT_MIGRATED' });
    await migrate(db.url);
    await db.query('alter table sync_changes disable row level security');
    expect(await checkDatabase(db.url)).toMatchObject({ ok: false, code: 'RLS_INACTIVE' });
    await db.query('alter table sync_changes enable row level security');
    await db.query('alter role mana_ai_runner bypassrls');
    expect(await checkDatabase(db.url)).toMatchObject({ ok: false, code: 'ROLE_BYPASSES_RLS' });
    await db.query('alter role mana_ai_runner nobypassrls');
    expect(await checkDatabase(db.url)).toEqual({ ok: true });
    await db.query('drop policy sync_changes_user_isolation on sync_changes');
    expect(await checkDatabase(db.url)).toMatchObject({ ok: false, code: 'POLICIES_MISSING' });
    await db.end();
  });
});

describe('the change trigger', () => {
  test('a batch leaves one row per user with the earliest instant; other apps and our own client leave none', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    await insertRows(db.query, [
      { user: 'b', at: '2026-03-03T00:00:00Z' },
      { user: 'a', at: '2026-03-02T00:00:00Z' },
      { user: 'a', at: '2026-03-01T00:00:00Z' },
      { user: 'c', app: 'todo' },
      { user: 'd', client: 'mana-ai-runner' },
    ]);
    expect(await db.query(OUTBOX)).toEqual([
      { user_id: 'a', since: '2026-03-01' },
      { user_id: 'b', since: '2026-03-03' },
    ]);
    expect(await db.query(USERS)).toEqual([{ user_id: 'a' }, { user_id: 'b' }]);
    await db.end();
  });

  test('the outbox row bears the id of the transaction that wrote it', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    await db.query('begin');
    await insertRows(db.query, [{ user: 'a' }]);
    expect(
      await db.query('select xid = pg_current_xact_id() as same from mana_ai.change_outbox'),
    ).toEqual([{ same: true }]);
    await db.query('commit');
    await db.end();
  });

  test('a listener is told, with an empty payload, only of changes that concern us', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    const listener = new Client({ connectionString: db.url });
    const heard: (string | undefined)[] = [];
    listener.on('notification', (message) => heard.push(message.payload));
    await listener.connect();
    await listener.query('listen mana_ai_changes');
    await insertRows(db.query, [{ user: 'a', client: 'mana-ai-runner' }]);
    await listener.query('select 1');
    expect(heard).toEqual([]);
    await insertRows(db.query, [{ user: 'a' }]);
    await listener.query('select 1');
    await listener.query('select 1');
    expect(heard).toEqual(['']);
    await listener.end();
    await db.end();
  });

  test('without mana_ai.users the insert works and the change is still noted; without the outbox it works too', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    await db.query('drop table mana_ai.users');
    await insertRows(db.query, [{ user: 'a' }]);
    expect(await db.query(OUTBOX)).toHaveLength(1);
    await db.query('drop table mana_ai.change_outbox');
    await insertRows(db.query, [{ user: 'b' }]);
    expect(await db.query('select count(*)::int as n from sync_changes')).toEqual([{ n: 2 }]);
    await db.end();
  });

  test("while the outbox is locked another app's change waits for nothing, and one of a mission for 50 ms", async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    await db.query(`create table waits (app text, ms float)`);
    const locker = new Client({ connectionString: db.url });
    await locker.connect();
    await locker.query('begin');
    await locker.query('lock table mana_ai.change_outbox, mana_ai.users in access exclusive mode');
    // The server's own clock: what this machine does beside does not count as much.
    for (const app of ['todo', 'ai'])
      await db.query(`
        do $$
        declare start timestamptz := clock_timestamp();
        begin
          insert into sync_changes (app_id, table_name, record_id, user_id, op, data, client_id)
          values ('${app}', 'tasks', 'r', 'a', 'update', '{}', 'phone');
          insert into waits values ('${app}', extract(epoch from clock_timestamp() - start) * 1000);
        end
        $$`);
    await locker.query('commit');
    await locker.end();
    const waits = await db.query('select app, ms from waits order by ms');
    expect(waits.map(({ app }) => app)).toEqual(['todo', 'ai']);
    expect(waits[0]!['ms']).toBeLessThan(50);
    expect(waits[1]!['ms']).toBeLessThan(1_000);
    const [missed] = await db.query(
      'select last_value::int as n, is_called from mana_ai.missed_changes',
    );
    expect(missed).toEqual({ n: 1, is_called: true });
    await db.end();
  });

  test('a row of another member of a shared space is noted for the person whose mission it is', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    const write = (user: string, op: string, space: string | null) =>
      db.query(
        `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, client_id, space_id)
         values ('ai', 'aiMissions', 'm1', $1, $2, '{}', 'phone', $3)`,
        [user, op, space],
      );
    await write('owner', 'insert', 'family');
    await db.query('delete from mana_ai.change_outbox');
    await write('member', 'update', 'family');
    expect((await db.query(OUTBOX)).map((row) => row['user_id'])).toEqual(['member', 'owner']);
    await db.query('delete from mana_ai.change_outbox');
    await write('stranger', 'update', '_personal:stranger');
    await write('stranger', 'update', null);
    expect((await db.query(OUTBOX)).map((row) => row['user_id'])).toEqual(['stranger', 'stranger']);
    await db.end();
  });

  test('a role that may only insert into the log fires it all the same', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    await db.query('create role mana_sync_test nologin bypassrls');
    await db.query('grant insert on sync_changes to mana_sync_test');
    await db.query('set role mana_sync_test');
    await insertRows(db.query, [{ user: 'a' }]);
    await db.query('reset role');
    expect(await db.query(USERS)).toEqual([{ user_id: 'a' }]);
    await db.end();
  });

  // Random letters: repeated ones would compress to a few bytes and fit any index.
  test.each([256, 257, 300, 2_600])(
    'a user id of %i characters does not fail the insert',
    async (length) => {
      const db = await freshDatabase();
      await migrate(db.url);
      const user = randomLetters(length);
      await insertRows(db.query, [{ user }]);
      expect(await db.query(USERS)).toEqual(length <= 256 ? [{ user_id: user }] : []);
      await db.end();
    },
  );

  test('a user id of 9000 characters, in a log whose indexes take it, does not fail the insert', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    await db.query('drop index idx_sync_changes_user_app, idx_sync_changes_since');
    await insertRows(db.query, [{ user: randomLetters(9_000) }, { user: 'a' }]);
    expect(await db.query('select count(*)::int as n from sync_changes')).toEqual([{ n: 2 }]);
    expect(await db.query(USERS)).toEqual([{ user_id: 'a' }]);
    await db.end();
  });
});

/** The same incompressible text every time: a linear congruential generator. */
function randomLetters(length: number): string {
  let state = 42;
  return Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return String.fromCharCode(97 + (Math.floor(state / 65_536) % 26));
  }).join('');
}

describe('mana_ai_runner', () => {
  test('may read and append to the log, and nothing else on it', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    const may = await db.query(
      `select p from unnest(array['SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER']) p
       where has_table_privilege('mana_ai_runner', 'sync_changes', p)`,
    );
    expect(may.map((row) => row['p'])).toEqual(['SELECT', 'INSERT']);
    await db.query('set role mana_ai_runner');
    for (const text of [
      `update sync_changes set data = '{}'`,
      'delete from sync_changes',
      'truncate sync_changes',
    ]) {
      await expect(db.query(text)).rejects.toMatchObject({ code: '42501' });
    }
    await db.query('delete from mana_ai.change_outbox');
    await db.query('delete from mana_ai.users');
    await db.end();
  });

  test('sees and writes the rows of the named user alone, and none without a user', async () => {
    const db = await freshDatabase();
    await migrate(db.url);
    await insertRows(db.query, [{ user: 'a' }, { user: 'b' }]);
    await db.query('set role mana_ai_runner');
    expect(await db.query('select user_id from sync_changes')).toEqual([]);
    await db.query(`select set_config('app.current_user_id', 'a', false)`);
    expect(await db.query('select user_id from sync_changes')).toEqual([{ user_id: 'a' }]);
    await insertRows(db.query, [{ user: 'a', client: 'mana-ai-runner' }]);
    await expect(
      insertRows(db.query, [{ user: 'b', client: 'mana-ai-runner' }]),
    ).rejects.toMatchObject({
      code: '42501',
    });
    await db.end();
  });
});

describe('the embedded database', () => {
  test('data and password are found again; a second start beside the first, a stale pid file and an older version are told apart', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'mana-edge-embedded-'));
    try {
      const first = await startEmbeddedPostgres({ dataDir, durable: false });
      expect((await stat(join(dataDir, 'password'))).mode & 0o777).toBe(0o600);
      await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({
        code: 'ALREADY_RUNNING',
      });
      await migrate(first.databaseUrl);
      await first.stop();
      await first.stop();

      // The number of a killed server may belong to a stranger by now: this process.
      await writeFile(
        join(dataDir, 'cluster/postmaster.pid'),
        `${process.pid}\n${dataDir}\n1\n1\n\n127.0.0.1\n`,
      );
      await writeFile(join(dataDir, 'owner'), `${process.pid} 1\n`);
      const second = await startEmbeddedPostgres({ dataDir, durable: false });
      expect(await migrate(second.databaseUrl)).toEqual({ applied: [] });
      const { port } = new URL(second.databaseUrl);
      const other = join(dataDir, 'other');
      await expect(
        startEmbeddedPostgres({ dataDir: other, port: Number(port), durable: false }),
      ).rejects.toMatchObject({
        code: 'PORT_IN_USE',
      });
      await second.stop();

      await writeFile(join(dataDir, 'cluster/PG_VERSION'), '17\n');
      await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({
        code: 'DATA_VERSION',
      });
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  }, 60_000);
});
