import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { StartError } from '../../process/environment.ts';
import { copyFromFile, copyToFile } from './copy.ts';
import { type BackupTable, describeFile, type Manifest } from './manifest.ts';

/** The log is no table of ours, but plans live in it. */
export const LOG = 'public.sync_changes';

/**
 * Of our own tables these are not kept: the ledger stands in the manifest, the outbox counts transactions of one server, and links and
 * sessions that have ended since would be valid again (who has a passkey or a new link signs in anew).
 */
const NOT_KEPT = [
  'mana_ai.migrations',
  'mana_ai.change_outbox',
  'mana_auth.sign_in_links',
  'mana_auth.sessions',
  'mana_auth.answered_challenges',
];

export type Snapshot = Pick<Manifest, 'takenAt' | 'postgres' | 'migrations' | 'tables'>;

type TableShape = { name: string; columns: string[] };

/**
 * Copies our tables, and the log where it is wanted, in one snapshot of the database.
 * @throws StartError where row-level security would hide rows from this login
 */
export async function dumpTables(
  client: Client,
  folder: string,
  { withLog }: { withLog: boolean },
): Promise<Snapshot> {
  await mkdir(join(folder, 'tables'), { mode: 0o700 });
  await client.query('begin isolation level repeatable read, read only');
  try {
    await showAllRows(client);
    const { rows } = await client.query<{
      taken_at: string;
      postgres: string;
      migrations: string[];
    }>(
      `select to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as taken_at,
         current_setting('server_version') as postgres,
         (select array_agg(name order by name) from mana_ai.migrations) as migrations`,
    );
    const [about] = rows;
    if (about === undefined) throw new Error('the database did not answer');
    const tables: BackupTable[] = [];
    for (const shape of await keptTables(client, withLog))
      tables.push(await dumpTable(client, folder, shape));
    return {
      takenAt: about.taken_at,
      postgres: about.postgres,
      migrations: about.migrations ?? [],
      tables,
    };
  } finally {
    // The connection may have ended with what went wrong, which is what is told.
    await client.query('rollback').catch(() => undefined);
  }
}

/** A policy that hides rows is then an error instead of rows left out without a word. */
async function showAllRows(client: Client): Promise<void> {
  await client.query('set local row_security = off');
  const { rows } = await client.query<{ sees_all: boolean }>(
    `select rolsuper or rolbypassrls as sees_all from pg_catalog.pg_roles where rolname = current_user`,
  );
  if (rows[0]?.sees_all === true) return;
  throw new StartError(
    'row-level security hides rows from this login: DATABASE_URL wants that of migrate (superuser or BYPASSRLS)',
  );
}

async function dumpTable(
  client: Client,
  folder: string,
  { name, columns }: TableShape,
): Promise<BackupTable> {
  const path = `tables/${name.replaceAll('"', '')}.copy`;
  const rows = await copyToFile(client, placeOf({ name, columns }), join(folder, path));
  return { ...(await describeFile(folder, path)), name, columns, rows };
}

function placeOf({ name, columns }: TableShape): string {
  return `${name} (${columns.join(', ')})`;
}

async function keptTables(client: Client, withLog: boolean): Promise<TableShape[]> {
  const { rows } = await client.query<TableShape>(
    `select format('%I.%I', n.nspname, c.relname) as name,
       array_agg(quote_ident(a.attname) order by a.attnum) as columns
     from pg_catalog.pg_class c
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
     where c.relkind in ('r', 'p') and (n.nspname in ('mana_ai', 'mana_auth') or format('%I.%I', n.nspname, c.relname) = $1)
     group by 1 order by 1`,
    [LOG],
  );
  return rows.filter(({ name }) => !NOT_KEPT.includes(name) && (withLog || name !== LOG));
}

/** Names of the tables of ours that hold rows, and the log if it does. */
export async function tablesWithRows(client: Client): Promise<string[]> {
  const found: string[] = [];
  for (const { name } of await keptTables(client, true)) {
    const { rows } = await client.query(`select 1 from ${name} limit 1`);
    if (rows.length > 0) found.push(name);
  }
  return found;
}

/**
 * Loads a backup's tables into a database that has the same migrations and no rows of ours, in one transaction.
 * `fill`: the statement that takes in what the log holds of users that the backup did not know.
 */
export async function loadTables(
  client: Client,
  folder: string,
  tables: readonly BackupTable[],
  fill: string,
): Promise<void> {
  await client.query('begin');
  try {
    await showAllRows(client);
    await assertColumns(client, tables);
    // A migration has filled it from a log that was there before; the backup's own comes now, and what the log adds after it.
    await client.query('delete from mana_ai.users');
    // The log is last: its trigger adds users of its own.
    for (const table of tables.toSorted((a, b) => Number(a.name === LOG) - Number(b.name === LOG)))
      await loadTable(client, folder, table);
    await client.query(fill);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

async function loadTable(client: Client, folder: string, table: BackupTable): Promise<void> {
  const rows = await copyFromFile(client, placeOf(table), join(folder, table.path));
  if (rows !== table.rows)
    throw new StartError(`${table.name}: ${rows} of ${table.rows} rows arrived`);
  const { rows: counters } = await client.query<{ column: string; sequence: string }>(
    `select quote_ident(attname) as column, pg_get_serial_sequence($1, attname) as sequence
     from pg_catalog.pg_attribute where attrelid = $1::regclass and attidentity <> ''`,
    [table.name],
  );
  for (const { column, sequence } of counters) {
    await client.query(
      `select setval($1, coalesce((select max(${column}) from ${table.name}), 0) + 1, false)`,
      [sequence],
    );
  }
}

/** What the target has no place for must not be left out in silence. */
async function assertColumns(client: Client, tables: readonly BackupTable[]): Promise<void> {
  const present = new Map(
    (await keptTables(client, true)).map(({ name, columns }) => [name, columns]),
  );
  for (const { name, columns } of tables) {
    const missing = columns.filter((column) => !(present.get(name) ?? []).includes(column));
    if (missing.length > 0)
      throw new StartError(
        `${name} has no column ${missing.join(', ')} here, which the backup holds`,
      );
  }
}
