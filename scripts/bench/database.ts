import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../embedded/embedded-postgres.ts';
import { migrate } from '../migrate.ts';

/**
 * What the server counted since it started; differences of two readings belong to what happened
 * between them.
 */
export type DatabaseCounts = {
  /**
   * statements of the runner, begin and commit left out; null where the server cannot count them
   */
  statements: number | null;
  transactions: number;
  fsyncs: number;
  /** rows of sync_changes that any query fetched */
  logRowsRead: number;
};

export type BenchDatabase = {
  url: string;
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  counts(): Promise<DatabaseCounts>;
  /** calls `heard` at once for every row that the runner commits */
  onRunnerRow(heard: (recordId: string) => void): Promise<void>;
  stop(): Promise<void>;
};

/**
 * A PostgreSQL that writes through to the disk as in production, migrated, with its counters on.
 */
export async function startBenchDatabase(): Promise<BenchDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'mana-edge-bench-postgres-'));
  await withCounters(dataDir);
  const postgres = await startEmbeddedPostgres({ dataDir });
  await migrate(postgres.databaseUrl);
  const client = await connect(postgres.databaseUrl);
  const query: BenchDatabase['query'] = async (text, values = []) =>
    (await client.query<Record<string, unknown>>(text, [...values])).rows;
  const counting = await query(`create extension if not exists pg_stat_statements`).then(
    () => true,
    () => false,
  );
  const listeners: Client[] = [];
  return {
    url: postgres.databaseUrl,
    query,
    counts: () => readCounts(query, counting),
    onRunnerRow: async (heard) => {
      await query(NOTIFY_OF_RUNNER_ROWS);
      const listener = await connect(postgres.databaseUrl);
      listener.on('notification', ({ payload }) => heard(payload ?? ''));
      await listener.query('listen bench_runner_row');
      listeners.push(listener);
    },
    stop: async () => {
      for (const open of [...listeners, client]) await open.end();
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A notification is delivered with the commit: what hears it knows that the row is there. */
const NOTIFY_OF_RUNNER_ROWS = `
  create or replace function public.bench_runner_row() returns trigger language plpgsql as $$
  begin
    if new.client_id = 'mana-ai-runner' then perform pg_notify('bench_runner_row', new.record_id); end if;
    return null;
  end $$;
  create or replace trigger bench_runner_row after insert on public.sync_changes
    for each row execute function public.bench_runner_row();`;

/** Preloading takes a restart. */
async function withCounters(dataDir: string): Promise<void> {
  const postgres = await startEmbeddedPostgres({ dataDir });
  const client = await connect(postgres.databaseUrl);
  await client.query(`alter system set shared_preload_libraries = 'pg_stat_statements'`);
  await client.end();
  await postgres.stop();
}

async function connect(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function readCounts(
  query: BenchDatabase['query'],
  counting: boolean,
): Promise<DatabaseCounts> {
  // Sessions report their counts when they are idle for a moment.
  await query(`select pg_stat_force_next_flush()`);
  const [row = {}] = await query(`
    select (select xact_commit from pg_stat_database where datname = current_database()) as transactions,
      (select sum(fsyncs) from pg_stat_io) as fsyncs,
      (select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables where relname = 'sync_changes') as log_rows`);
  const [counted = {}] = counting
    ? await query(`select sum(calls) as statements from pg_stat_statements
        where query !~* '^(begin|commit|rollback|listen)' and query not like '%pg_stat_%'`)
    : [];
  return {
    statements: counting ? Number(counted['statements'] ?? 0) : null,
    transactions: Number(row['transactions'] ?? 0),
    fsyncs: Number(row['fsyncs'] ?? 0),
    logRowsRead: Number(row['log_rows'] ?? 0),
  };
}
