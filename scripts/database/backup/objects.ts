/**
 * The objects' SQLite files. workerd opens them in WAL mode without exclusive locking, so another
 * process may read them while it writes: `VACUUM INTO` copies one committed state of a file in one
 * read transaction, without what was deleted from it.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CACHE_IS_STALE } from '../../../durable-objects/projection/mission-store.ts';
import { type BackupFile, describeFile } from './manifest.ts';

export const OBJECT_FOLDERS = ['mana-ai-objects', 'mana-auth-objects'] as const;

/**
 * Its horizon is a number of transactions of one server. Without it the first poll sweeps all
 * users.
 */
const NOT_KEPT_CLASSES = ['mana-ai-ChangeFeed'];

/**
 * workerd's list of alarms of a class. Every alarm is set anew at a start: by /health, and by
 * admission.
 */
const ALARMS = 'metadata.sqlite';

const LONGEST_WAIT_MS = 10_000;

/** The object files of a data folder that a backup keeps, as paths below it. */
function keptFiles(dataDir: string): string[] {
  return OBJECT_FOLDERS.flatMap((folder) =>
    classesOf(join(dataDir, folder)).map((name) => join(folder, name)),
  )
    .flatMap((folder) => readdirSync(join(dataDir, folder)).map((name) => join(folder, name)))
    .filter((path) => path.endsWith('.sqlite') && !path.endsWith(`/${ALARMS}`))
    .toSorted();
}

function classesOf(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => !NOT_KEPT_CLASSES.includes(name));
}

/** Whether anything is stored in the data folder that a restore would put aside. */
export function holdsObjects(dataDir: string): boolean {
  return keptFiles(dataDir).length > 0;
}

/**
 * Copies every object that holds something. An object that is made or emptied while this runs may
 * be missing from the copy; after a restore it is rebuilt from the log.
 */
export async function copyObjects(dataDir: string, folder: string): Promise<BackupFile[]> {
  mkdirSync(join(folder, 'objects'), { mode: 0o700 });
  const copied: BackupFile[] = [];
  for (const path of keptFiles(dataDir)) {
    const target = join('objects', path);
    mkdirSync(dirname(join(folder, target)), { recursive: true, mode: 0o700 });
    if (copyObject(join(dataDir, path), join(folder, target)))
      copied.push(await describeFile(folder, target));
  }
  return copied;
}

/** False if there is nothing to copy, or nothing is left by now. */
function copyObject(path: string, target: string): boolean {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: LONGEST_WAIT_MS });
    if (!hasTables(database)) return false;
    database.prepare('vacuum into ?').run(target);
    chmodSync(target, 0o600);
    return true;
  } catch (error) {
    if (!existsSync(path)) return false;
    throw error;
  } finally {
    database?.close();
  }
}

function hasTables(database: DatabaseSync): boolean {
  const query = `select 1 from sqlite_master where type = 'table' and name <> '_cf_METADATA' limit 1`;
  return database.prepare(query).get() !== undefined;
}

/**
 * Puts a backup's objects into a data folder that has none. Each object reads the log again before
 * it runs anything, since what it knew of the log may be out of date; its open runs, the audit's
 * head, budgets and failures stay.
 */
export function placeObjects(
  folder: string,
  objects: readonly BackupFile[],
  dataDir: string,
): void {
  for (const { path } of objects) {
    const target = join(dataDir, path.slice('objects/'.length));
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    copyFileSync(join(folder, path), target);
    chmodSync(target, 0o600);
    makeStale(target);
  }
}

function makeStale(path: string): void {
  const database = new DatabaseSync(path);
  try {
    // An alarm that no list of alarms knows would count as armed and never come.
    if (hasTable(database, '_cf_METADATA')) database.exec('delete from _cf_METADATA');
    if (hasTable(database, 'records')) database.exec(CACHE_IS_STALE);
  } finally {
    database.close();
  }
}

function hasTable(database: DatabaseSync, name: string): boolean {
  return (
    database.prepare(`select 1 from sqlite_master where type = 'table' and name = ?`).get(name) !==
    undefined
  );
}
