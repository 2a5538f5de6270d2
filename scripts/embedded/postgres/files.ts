import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './error.ts';

/** The files of a data folder. */
export type Paths = { dataDir: string; cluster: string; password: string; owner: string };

/** Names them; makes none of them. */
export function pathsOf(dataDir: string): Paths {
  return {
    dataDir,
    cluster: join(dataDir, 'cluster'),
    password: join(dataDir, 'password'),
    owner: join(dataDir, 'owner'),
  };
}

/** A file's text, or null where there is none. */
export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Whether a path exists, links not followed. */
export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
