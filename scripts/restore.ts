/** `npm run restore -- DIR`: a backup into an empty machine, while the Workers are stopped. */
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import type { Client } from 'pg';
import { parseManaAuthConfig } from '../src/config/mana-auth.ts';
import { importKekRing } from '../src/mana-auth/kek-ring.ts';
import { type Manifest, readCheckedManifest } from './database/backup/manifest.ts';
import { holdsObjects, OBJECT_FOLDERS, placeObjects } from './database/backup/objects.ts';
import { loadTables, LOG, tablesWithRows } from './database/backup/tables.ts';
import { checkedConfig } from './process/checked-config.ts';
import { runOnce } from './process/command.ts';
import {
  type Environment,
  makeDataDir,
  readEnvironment,
  StartError,
} from './process/environment.ts';
import { isInUse } from './process/leftover-workerd.ts';
import { fillStatement, migrate, migrationNames } from './migrate.ts';
import { openOrMakeDatabase, withClient, withKeysOfStart } from './embedded/own-database.ts';

const USAGE = `npm run restore -- DIR [--without-log] [--replace]

  DIR            a folder that npm run backup made
  --without-log  leaves sync_changes as it is here, where mana-sync's own backup brings it
  --replace      removes what is here first: our tables, the objects, and sync_changes unless --without-log`;

export type RestoreOptions = {
  databaseUrl: string;
  dataDir: string;
  folder: string;
  /** leaves sync_changes as it is here */
  withoutLog: boolean;
  /** removes what is here first */
  replace: boolean;
};

/**
 * Restores a backup: all checks first, then the tables in the form that the backup's build gave
 * them, then the migrations since, then the objects. Cut off in between, it is repeated with
 * `replace`.
 * @throws StartError, MigrateError
 */
export async function restore(options: RestoreOptions): Promise<Manifest> {
  const { databaseUrl, folder, dataDir } = options;
  const manifest = await readCheckedManifest(resolve(folder));
  await assertKnown(manifest);
  if (isInUse(dataDir))
    throw new StartError(`MANA_DATA_DIR ${dataDir} is in use: stop the Workers first`);
  await withClient(databaseUrl, 'restore', (client) => makeRoom(client, options, manifest));
  await migrate(databaseUrl, manifest.migrations);
  const tables = manifest.tables.filter(({ name }) => name !== LOG || !options.withoutLog);
  const fill = await fillStatement();
  await withClient(databaseUrl, 'restore', (client) =>
    loadTables(client, resolve(folder), tables, fill),
  );
  await migrate(databaseUrl);
  for (const name of OBJECT_FOLDERS) rmSync(join(dataDir, name), { recursive: true, force: true });
  for (const name of OBJECT_FOLDERS)
    mkdirSync(join(dataDir, name), { recursive: true, mode: 0o700 });
  placeObjects(resolve(folder), manifest.objects, dataDir);
  return manifest;
}

async function assertKnown({ migrations, build }: Manifest): Promise<void> {
  const known = await migrationNames();
  const unknown = migrations.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new StartError(
    `the backup is of a newer build (${build}, with ${unknown.join(', ')}): restore it with that one`,
  );
}

/**
 * Leaves a database without our schemas, so that the migrations make them as the backup's build had
 * them.
 */
async function makeRoom(
  client: Client,
  options: RestoreOptions,
  { withLog }: Manifest,
): Promise<void> {
  await assertNobodyRuns(client);
  const takesLog = withLog && !options.withoutLog;
  const taken = (await tablesWithRows(client)).filter(
    (name) => (takesLog || name !== LOG) && !isMadeByLog(name),
  );
  const objects = holdsObjects(options.dataDir) ? ['the objects in MANA_DATA_DIR'] : [];
  const present = [...taken, ...objects];
  if (present.length > 0 && !options.replace) {
    throw new StartError(
      `something is here already (${present.join(', ')}); --replace removes it first`,
    );
  }
  if (taken.includes(LOG)) await client.query(`truncate ${LOG}`);
  await client.query('drop schema if exists mana_ai, mana_auth cascade');
}

/** The list of users follows from the log; a log without a runner is an empty machine too. */
function isMadeByLog(name: string): boolean {
  return name === 'mana_ai.users';
}

async function assertNobodyRuns(client: Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select application_name as name from pg_catalog.pg_stat_activity
     where datname = current_database() and application_name in ('mana-ai', 'mana-ai-listen', 'mana-auth') limit 1`,
  );
  if (rows[0] !== undefined)
    throw new StartError(`${rows[0].name} is connected to this database: stop the Workers first`);
}

/** Master keys that no configured key-encryption key opens. */
async function countLockedVaults(client: Client, environment: Environment): Promise<number> {
  const parsed = parseManaAuthConfig(environment);
  const keks = parsed.ok ? parsed.config.keks : [];
  const ids = await Promise.all(keks.map(async (kek) => (await importKekRing([kek])).currentId));
  const { rows } = await client.query<{ locked: number }>(
    `select count(*)::int as locked from mana_auth.vault where kek_id is not null and kek_id <> all ($1)`,
    [ids],
  );
  return rows[0]?.locked ?? 0;
}

async function countLiveGrants(client: Client): Promise<number> {
  const { rows } = await client.query<{ live: number }>(
    `select count(*)::int as live from mana_auth.grants where keys_jwe is not null and expires_at > now()`,
  );
  return rows[0]?.live ?? 0;
}

function readArguments(args: string[]): Pick<RestoreOptions, 'folder' | 'withoutLog' | 'replace'> {
  try {
    const flag = { type: 'boolean', default: false } as const;
    const options = { 'without-log': flag, replace: flag };
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [folder] = positionals;
    if (folder !== undefined && positionals.length === 1)
      return { folder, withoutLog: values['without-log'], replace: values.replace };
  } catch {
    // An argument that there is not: the usage says what there is.
  }
  throw new StartError(USAGE);
}

async function main(): Promise<void> {
  const given = readArguments(process.argv.slice(2));
  const environment = readEnvironment();
  const dataDir = makeDataDir(checkedConfig(environment).dataDir);
  const database = await openOrMakeDatabase(environment, dataDir);
  const { databaseUrl } = database;
  try {
    const { objects, tables, takenAt } = await restore({ ...given, databaseUrl, dataDir });
    console.log(`restored ${objects.length} objects and ${tables.length} tables as of ${takenAt}`);
    await withClient(databaseUrl, 'restore', (client) =>
      tellWhatToKnow(client, withKeysOfStart(environment, dataDir), takenAt),
    );
  } finally {
    await database.close();
  }
}

async function tellWhatToKnow(
  client: Client,
  environment: Environment,
  takenAt: string,
): Promise<void> {
  console.log(
    `What was written after ${takenAt} is not here. An audit head that a person noted later shows as cut off for that reason.`,
  );
  const live = await countLiveGrants(client);
  if (live > 0)
    console.log(`${live} grants are open, those too that were revoked after ${takenAt}.`);
  const locked = await countLockedVaults(client, environment);
  if (locked > 0)
    console.log(
      `${locked} master keys open under no key of MANA_AUTH_KEK: bring the keys of that time.`,
    );
  console.log(
    'People who were forgotten after that are back: repeat npm run forget for them once the Workers run.',
  );
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  await runOnce('restore', main);
