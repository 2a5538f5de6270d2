import { existsSync, readdirSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** Users' own files are many and are looked at when they are opened. */
const LOOKED_AT_WHEN_OPENED = 'mana-ai-UserMissions';

/** workerd's list of the alarms of a namespace. */
const ALARMS = 'metadata.sqlite';

/**
 * Removes the files of coordinating objects and lists of alarms that are damaged: without them
 * nothing runs, and everything in them is found again by a sweep.
 * @param folder of the objects of one Worker: a folder for each namespace, a database for each
 * object
 * @returns the paths that were removed
 */
export function removeDamagedObjects(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const paths = readdirSync(folder).flatMap((namespace) => databasesOf(folder, namespace));
  const damaged = paths.filter((path) => !isSound(path));
  for (const path of damaged)
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  return damaged;
}

function databasesOf(folder: string, namespace: string): string[] {
  const names = readdirSync(`${folder}/${namespace}`).filter((name) => name.endsWith('.sqlite'));
  const looked =
    namespace === LOOKED_AT_WHEN_OPENED ? names.filter((name) => name === ALARMS) : names;
  return looked.map((name) => `${folder}/${namespace}/${name}`);
}

/** Nobody else has it open: what workerd left in the write-ahead log is merged into it. */
function isSound(path: string): boolean {
  try {
    const database = new DatabaseSync(path);
    try {
      const [row] = database.prepare('pragma quick_check(1)').all();
      return row?.['quick_check'] === 'ok';
    } finally {
      database.close();
    }
  } catch {
    return false;
  }
}
