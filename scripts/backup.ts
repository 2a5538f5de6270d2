/** `npm run backup -- DIR`: the objects and our tables, taken while the Workers run. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { copyObjects } from './database/backup/objects.ts';
import { FORMAT, type Manifest, manifestPath } from './database/backup/manifest.ts';
import { dumpTables } from './database/backup/tables.ts';
import { checkedConfig } from './process/checked-config.ts';
import { runOnce } from './process/command.ts';
import { readEnvironment, StartError } from './process/environment.ts';
import { openOwnDatabase, withClient } from './embedded/own-database.ts';
import { readVersion } from './process/project.ts';

const USAGE = `npm run backup -- DIR [--without-log]

  DIR            a folder that is made; nothing may be in it yet
  --without-log  leaves out sync_changes, where mana-sync's own backup has it`;

export type BackupOptions = {
  databaseUrl: string;
  dataDir: string;
  folder: string;
  withLog: boolean;
};

/**
 * Makes a backup. The objects are copied before the tables: when they are restored they read what
 * the database holds beyond them, and the audit continues from its rows. If the tables were copied
 * first, a restored audit would end before the head that an object remembers.
 */
export async function backup({
  databaseUrl,
  dataDir,
  folder,
  withLog,
}: BackupOptions): Promise<Manifest> {
  const target = resolve(folder);
  if (existsSync(target) && readdirSync(target).length > 0)
    throw new StartError(`${folder} is not empty`);
  const draft = `${target}.unfinished`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  const objects = await copyObjects(dataDir, draft);
  const snapshot = await withClient(databaseUrl, 'backup', (client) =>
    dumpTables(client, draft, { withLog }),
  );
  const manifest: Manifest = {
    format: FORMAT,
    build: readVersion(),
    withLog,
    objects,
    ...snapshot,
  };
  writeFileSync(manifestPath(draft), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
  for (const { path } of [...objects, ...snapshot.tables]) flush(join(draft, path));
  flush(manifestPath(draft));
  rmSync(target, { recursive: true, force: true });
  renameSync(draft, target);
  flush(dirname(target));
  return manifest;
}

/** A backup that a power cut takes away is none. */
function flush(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function readArguments(args: string[]): { folder: string; withLog: boolean } {
  try {
    const options = { 'without-log': { type: 'boolean', default: false } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [folder] = positionals;
    if (folder !== undefined && positionals.length === 1)
      return { folder, withLog: !values['without-log'] };
  } catch {
    // An argument that there is not: the usage says what there is.
  }
  throw new StartError(USAGE);
}

async function main(): Promise<void> {
  const { folder, withLog } = readArguments(process.argv.slice(2));
  const environment = readEnvironment();
  const dataDir = resolve(checkedConfig(environment).dataDir);
  const database = await openOwnDatabase(environment, dataDir);
  try {
    const { objects, tables, takenAt } = await backup({
      databaseUrl: database.databaseUrl,
      dataDir,
      folder,
      withLog,
    });
    const rows = tables.reduce((total, table) => total + table.rows, 0);
    console.log(
      `${folder}: ${objects.length} objects, ${rows} rows of ${tables.length} tables, as of ${takenAt}`,
    );
    if (!withLog)
      console.log('without sync_changes: plans live there, so back it up with its database');
    console.log(
      'It holds ciphertext, sealed and wrapped keys, and missions that are not encrypted: keep it like the database.',
    );
    console.log(
      'The keys (.env, or secrets.json of npm start) are not in it: keep them elsewhere; without them it opens nothing.',
    );
  } finally {
    await database.close();
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  await runOnce('backup', main);
