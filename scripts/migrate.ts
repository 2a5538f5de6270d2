/** Brings the database up to this build, and tells whether it is. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Client, DatabaseError } from 'pg';
import { readDatabaseUrl } from '../src/config/database-url.ts';
import { findDatabase, openConnection } from './database/connect.ts';
import { readEnvironment, StartError } from './process/environment.ts';
import { projectPath } from './process/project.ts';

const MIGRATIONS = projectPath('migrations');

/** Advisory lock: "mana" in ASCII. Two migrates at once take turns. */
const LOCK_KEY = 0x6d616e61;

const ROLES = ['mana_ai_runner', 'mana_auth_service'] as const;

export type MigrateErrorCode =
  | 'DATABASE_URL_MISSING'
  | 'DATABASE_URL_INVALID'
  | 'DATABASE_UNREACHABLE'
  | 'DATABASE_NEWER'
  | 'LOG_HIDDEN'
  | 'ROLE_FORBIDDEN'
  | 'MIGRATION_FAILED';

/** A migrate that could not be done. The message is one line and never holds the password. */
export class MigrateError extends Error {
  readonly code: MigrateErrorCode;

  constructor(code: MigrateErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MigrateError';
    this.code = code;
  }
}

export type DatabaseCheckCode =
  | 'DATABASE_URL_INVALID'
  | 'DATABASE_UNREACHABLE'
  | 'DATABASE_NEWER'
  | 'NOT_MIGRATED'
  | 'ROLE_UNUSABLE'
  | 'ROLE_BYPASSES_RLS'
  | 'RLS_INACTIVE'
  | 'POLICIES_MISSING'
  | 'POOLER_IN_STATEMENT_MODE'
  | 'CHECK_FAILED';

export type DatabaseCheck = { ok: true } | { ok: false; code: DatabaseCheckCode; message: string };

type Migration = { name: string; sql: string };

/** The migrations of this build, in order. */
async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(MIGRATIONS)).filter((name) => /^\d+_.*\.sql$/.test(name)).toSorted();
  return Promise.all(
    names.map(async (name) => ({
      name: name.replace(/\.sql$/, ''),
      sql: await readFile(join(MIGRATIONS, name), 'utf8'),
    })),
  );
}

/** What went wrong, in one line without the URL's password. */
function describe(error: unknown, databaseUrl: string): string {
  const text = rawMessage(error).replace(/\s+/g, ' ').trim();
  return secretsOf(databaseUrl).reduce((line, secret) => line.replaceAll(secret, '***'), text);
}

/** A refused connection to a name with two addresses is an AggregateError without a message. */
function rawMessage(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return rawMessage(error.errors[0]);
  return error instanceof Error ? error.message || error.name : String(error);
}

/** The password as it is written in the URL and as it is meant; also from text that is no URL. */
function secretsOf(databaseUrl: string): string[] {
  const written = /:\/\/[^/@]*?:(.*)@/.exec(databaseUrl)?.[1] ?? '';
  const secrets = [databaseUrl, written];
  try {
    secrets.push(decodeURIComponent(written));
    secrets.push(new URL(databaseUrl).searchParams.get('password') ?? '');
  } catch {
    // Not a URL: what the pattern found must do.
  }
  return secrets.filter((secret) => secret !== '');
}

/** Connects, or throws a MigrateError that names host, port and database. */
async function connect(databaseUrl: string): Promise<Client> {
  const environment = readEnvironment();
  const read = readDatabaseUrl(databaseUrl, environment);
  if (!read.ok) throw new MigrateError('DATABASE_URL_INVALID', `DATABASE_URL ${read.message}`);
  const { host, pathname } = new URL(read.target.url);
  try {
    return await openConnection(
      await findDatabase('DATABASE_URL', databaseUrl, environment),
      'migrate',
    );
  } catch (error) {
    const message =
      error instanceof StartError
        ? error.message
        : `cannot connect to ${host}${pathname}: ${describe(error, databaseUrl)}`;
    throw new MigrateError('DATABASE_UNREACHABLE', message);
  }
}

/** Names in the ledger; empty where there is none yet. */
async function readLedger(client: Client): Promise<string[]> {
  const found = await client.query<{ ledger: string | null }>(
    `select to_regclass('mana_ai.migrations')::text as ledger`,
  );
  if ((found.rows[0]?.ledger ?? null) === null) return [];
  const { rows } = await client.query<{ name: string }>(
    'select name from mana_ai.migrations order by name',
  );
  return rows.map((row) => row.name);
}

/** The line for a ledger that a newer build wrote, or null. */
function newerThanBuild(
  ledger: readonly string[],
  migrations: readonly Migration[],
): string | null {
  const known = new Set(migrations.map((migration) => migration.name));
  const unknown = ledger.filter((name) => !known.has(name));
  if (unknown.length === 0) return null;
  return `the database has migrations this build does not know (${unknown.join(', ')}): deploy a newer build`;
}

/** Makes the ledger where it is missing; an existing one asks for no right to create. */
async function ensureLedger(client: Client): Promise<void> {
  await client.query(`
    do $$
    begin
      if to_regclass('mana_ai.migrations') is null then
        create schema if not exists mana_ai;
        create table mana_ai.migrations (name text primary key, applied_at timestamptz not null default now());
      end if;
    end
    $$`);
}

/** Runs one migration within the open transaction. False: another process was quicker. */
async function apply(client: Client, migration: Migration): Promise<boolean> {
  const claim = 'insert into mana_ai.migrations (name) values ($1) on conflict do nothing';
  const { rowCount } = await client.query(claim, [migration.name]);
  if (rowCount === 1) {
    if (changesLog(migration)) await client.query(LOCK_LOG);
    await client.query(migration.sql);
  }
  return rowCount === 1;
}

/** Runs work in a transaction that holds the lock of all migrates; behind a pooler, too. */
async function inTransaction<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    await client.query('select pg_advisory_xact_lock($1)', [LOCK_KEY]);
    const answer = await work();
    await client.query('commit');
    return answer;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

/** Whether a migration changes rights, policies or triggers of the log. */
function changesLog({ sql }: Migration): boolean {
  return /\bon public\.sync_changes\b/i.test(sql);
}

/**
 * Taken before anything else of the table: a sync server that starts now takes this lock as well, and
 * two who change the same catalog row without it fail. A lock that is long in coming would hold up
 * every device behind it, so it is given up and asked for again.
 */
const LOCK_LOG = `
  do $$
  begin
    if to_regclass('public.sync_changes') is not null then
      set local lock_timeout = '2s';
      lock table public.sync_changes in access exclusive mode;
      set local lock_timeout = 0;
    end if;
  end
  $$`;

/** A database error of one migration as a MigrateError. */
function migrationError(error: unknown, name: string, databaseUrl: string): MigrateError {
  const line = describe(error, databaseUrl);
  const sqlState = error instanceof DatabaseError ? error.code : undefined;
  if (sqlState === 'MA001') return new MigrateError('LOG_HIDDEN', line, { cause: error });
  if (sqlState === 'MA002') return new MigrateError('ROLE_FORBIDDEN', line, { cause: error });
  return new MigrateError('MIGRATION_FAILED', `migration ${name} failed: ${line}`, {
    cause: error,
  });
}

/** Names of the migrations of this build, in order. */
export async function migrationNames(): Promise<string[]> {
  return (await readMigrations()).map(({ name }) => name);
}

/** The statement that takes in what the log holds already; it may be repeated. */
export async function fillStatement(): Promise<string> {
  return readFile(join(MIGRATIONS, '005_fill.sql'), 'utf8');
}

/** It reads the whole log, so it runs behind the others, in a transaction that holds up nobody. */
const FILL = '005_fill';

/** Which migration is being applied, for the error that names it. */
type Progress = { current: string };

async function applyMissing(
  client: Client,
  migrations: readonly Migration[],
  progress: Progress,
): Promise<string[]> {
  return inTransaction(client, async () => {
    const ledger = await readLedger(client);
    const missing = migrations.filter(({ name }) => !ledger.includes(name));
    if (missing.length === 0) return [];
    await ensureLedger(client);
    const applied: string[] = [];
    for (const migration of missing) {
      progress.current = migration.name;
      if (await apply(client, migration)) applied.push(migration.name);
    }
    return applied;
  });
}

/**
 * What two programs that make tables at the same moment do to each other: a deadlock (40P01) or a lock
 * that does not come (55P03), a type, a table or a policy of the same name (23505, 42P07, 42710), a
 * catalog row that the other one has just changed (XX000 "tuple concurrently updated"). Nothing was
 * changed, and the next try finds what the other made.
 */
const COLLISIONS = ['40P01', '55P03', '23505', '42P07', '42710', 'XX000'];
const MOST_TRIES = 12;

async function againOnCollision<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      const collided = error instanceof DatabaseError && COLLISIONS.includes(error.code ?? '');
      if (!collided || tries === MOST_TRIES) throw error;
      await new Promise((done) => setTimeout(done, 50 * tries * (0.5 + Math.random())));
    }
  }
}

/**
 * Applies what is missing, as the owner: all of it or nothing, in one transaction. The fill alone has
 * one of its own behind it, which may be repeated. Safe to run twice at once.
 * @param only the migrations of an older build, for data that it left; all of this one where it is left out
 * @returns names of the migrations that this call applied
 * @throws MigrateError
 */
export async function migrate(
  databaseUrl: string,
  only?: readonly string[],
): Promise<{ applied: string[] }> {
  const migrations = (await readMigrations()).filter(
    ({ name }) => only === undefined || only.includes(name),
  );
  const client = await connect(databaseUrl);
  const progress: Progress = { current: 'ledger' };
  try {
    const newer = newerThanBuild(await readLedger(client), migrations);
    if (newer !== null) throw new MigrateError('DATABASE_NEWER', newer);
    const applied: string[] = [];
    for (const part of [
      migrations.filter(({ name }) => name !== FILL),
      migrations.filter(({ name }) => name === FILL),
    ])
      applied.push(...(await againOnCollision(() => applyMissing(client, part, progress))));
    return { applied: applied.toSorted() };
  } catch (error) {
    throw error instanceof MigrateError
      ? error
      : migrationError(error, progress.current, databaseUrl);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Whether one role can be taken on and row-level security holds for it. */
async function checkRole(
  client: Client,
  role: (typeof ROLES)[number],
  databaseUrl: string,
): Promise<DatabaseCheck> {
  await client.query('begin');
  try {
    await client.query(`set local role ${role}`);
    const { rows } = await client.query<{ bypasses: boolean; active: boolean; policed: boolean }>(
      `select rolsuper or rolbypassrls as bypasses, row_security_active('public.sync_changes') as active,
         (select count(*) filter (where polcmd in ('r', '*')) > 0 and count(*) filter (where polcmd in ('a', '*')) > 0
          from pg_catalog.pg_policy where polrelid = 'public.sync_changes'::regclass) as policed
       from pg_catalog.pg_roles where rolname = current_user`,
    );
    if (rows[0]?.bypasses !== false) {
      const message = `role ${role} is a superuser or has BYPASSRLS: row-level security would not apply`;
      return { ok: false, code: 'ROLE_BYPASSES_RLS', message };
    }
    if (!rows[0].active) {
      const message = `row-level security on sync_changes does not apply to role ${role}`;
      return { ok: false, code: 'RLS_INACTIVE', message };
    }
    // Without a policy row-level security hides everything: the runner would idle without a word.
    if (!rows[0].policed) {
      const message =
        'sync_changes has no policy for reading or none for inserting: nothing would be seen or written';
      return { ok: false, code: 'POLICIES_MISSING', message };
    }
    return { ok: true };
  } catch (error) {
    const message = `cannot take on role ${role}: ${describe(error, databaseUrl)}`;
    return { ok: false, code: 'ROLE_UNUSABLE', message };
  } finally {
    await client.query('rollback').catch(() => undefined);
  }
}

const STATEMENT_MODE: DatabaseCheck = {
  ok: false,
  code: 'POOLER_IN_STATEMENT_MODE',
  message:
    'the pooler that DATABASE_URL names is in statement mode, which takes no transactions: set its ' +
    'pool_mode to transaction or session',
};

/** PgBouncer answers `begin` with 08P01 in that mode; the words alone tell it from other faults. */
function isOfStatementMode(error: unknown): boolean {
  return error instanceof DatabaseError && /statement pooling mode/.test(error.message);
}

/** The ledger against this build. */
async function checkLedger(client: Client): Promise<DatabaseCheck> {
  const [ledger, migrations] = [await readLedger(client), await readMigrations()];
  const newer = newerThanBuild(ledger, migrations);
  if (newer !== null) return { ok: false, code: 'DATABASE_NEWER', message: newer };
  const missing = migrations.filter(({ name }) => !ledger.includes(name)).map(({ name }) => name);
  if (missing.length === 0) return { ok: true };
  const message = `migrations are missing (${missing.join(', ')}): run npm run migrate`;
  return { ok: false, code: 'NOT_MIGRATED', message };
}

/**
 * Whether `serve` may run on this database: all migrations applied, our roles usable, row-level security in force.
 * Never throws for what the database says; the message is one line without the password.
 */
export async function checkDatabase(databaseUrl: string): Promise<DatabaseCheck> {
  let client: Client;
  try {
    client = await connect(databaseUrl);
  } catch (error) {
    const invalid = error instanceof MigrateError && error.code === 'DATABASE_URL_INVALID';
    const code = invalid ? 'DATABASE_URL_INVALID' : 'DATABASE_UNREACHABLE';
    return { ok: false, code, message: describe(error, databaseUrl) };
  }
  try {
    let check = await checkLedger(client);
    for (const role of ROLES) if (check.ok) check = await checkRole(client, role, databaseUrl);
    return check;
  } catch (error) {
    if (isOfStatementMode(error)) return STATEMENT_MODE;
    return { ok: false, code: 'CHECK_FAILED', message: describe(error, databaseUrl) };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** `npm run migrate` */
async function main(): Promise<void> {
  try {
    const databaseUrl = readEnvironment()['DATABASE_URL'] ?? '';
    if (databaseUrl === '')
      throw new MigrateError('DATABASE_URL_MISSING', 'DATABASE_URL is not set');
    const { applied } = await migrate(databaseUrl);
    for (const name of applied) console.log(`applied ${name}`);
    if (applied.length === 0) console.log('nothing to do: the database is up to date');
  } catch (error) {
    console.error(`migrate: ${rawMessage(error)}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  await main();
