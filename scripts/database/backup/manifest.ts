import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { StartError } from '../../process/environment.ts';

/** Raised when a backup's files or their meaning change. */
export const FORMAT = 1;

const MANIFEST = 'manifest.json';

const file = z.object({
  /** below the backup's folder */
  path: z.string().regex(/^(objects|tables)(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/),
  bytes: z.int(),
  sha256: z.string(),
});

const table = file.extend({
  /** both as SQL writes them */
  name: z.string(),
  columns: z.array(z.string()).min(1),
  rows: z.int(),
});

const manifest = z.object({
  format: z.literal(FORMAT),
  /** of the database's snapshot; the objects are older by as long as it took to copy them */
  takenAt: z.string(),
  build: z.string(),
  postgres: z.string(),
  /** the ledger: which migrations the tables had */
  migrations: z.array(z.string()),
  withLog: z.boolean(),
  objects: z.array(file),
  tables: z.array(table),
});

/** A file of a backup. */
export type BackupFile = z.infer<typeof file>;
/** A table of a backup, in PostgreSQL's COPY text format. */
export type BackupTable = z.infer<typeof table>;
export type Manifest = z.infer<typeof manifest>;

export function manifestPath(folder: string): string {
  return join(folder, MANIFEST);
}

/** Size and checksum of a file, as a manifest names it. */
export async function describeFile(folder: string, path: string): Promise<BackupFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(join(folder, path))) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { path, bytes, sha256: hash.digest('hex') };
}

/**
 * A backup's manifest, once each of its files is what it was when the backup was made.
 * @throws StartError that says what is wrong
 */
export async function readCheckedManifest(folder: string): Promise<Manifest> {
  const read = await readManifest(folder);
  for (const expected of [...read.objects, ...read.tables]) {
    const found = await describeFile(folder, expected.path).catch(() => null);
    if (found === null) throw new StartError(`${expected.path} of the backup cannot be read`);
    if (found.sha256 !== expected.sha256)
      throw new StartError(`${expected.path} of the backup was changed or damaged`);
  }
  return read;
}

async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(manifestPath(folder), 'utf8').catch(() => null);
  if (text === null)
    throw new StartError(`${folder} holds no finished backup: ${MANIFEST} is missing`);
  const parsed = manifest.safeParse(parseJson(text));
  if (!parsed.success)
    throw new StartError(`${MANIFEST} is not one that this build can read (format ${FORMAT})`);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
