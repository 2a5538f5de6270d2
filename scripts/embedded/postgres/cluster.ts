import { randomBytes } from 'node:crypto';
import { chown, mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Account } from './account.ts';
import { EmbeddedPostgresError } from './error.ts';
import { type Paths, readIfThere } from './files.ts';
import { launch, ownFolder, reason } from './launch.ts';

/** The major version of the packaged binaries; the data of another one cannot be opened. */
const MAJOR_VERSION = '18';

/**
 * Makes the cluster beside its place and moves it there when it is complete: a killed start leaves
 * no half.
 */
export async function createCluster(
  paths: Paths,
  binaries: string,
  account: Account,
  durable: boolean,
): Promise<void> {
  const draft = `${paths.cluster}.new`;
  const passwordFile = `${paths.password}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, randomBytes(24).toString('hex'), { mode: 0o600 });
  if (account !== null) {
    await chown(draft, account.uid, account.gid);
    await chown(passwordFile, account.uid, account.gid);
  }
  const handle = await open(passwordFile, 'r');
  try {
    const throughDescriptor = account !== null && process.platform === 'linux';
    const args = [
      '-D',
      ownFolder(draft, account),
      '-U',
      'postgres',
      '--auth=scram-sha-256',
      '--no-locale',
    ];
    args.push(
      '--encoding=UTF8',
      '--no-instructions',
      `--pwfile=${throughDescriptor ? '/proc/self/fd/3' : passwordFile}`,
    );
    if (!durable) args.push('--no-sync');
    const initdb = launch(join(binaries, 'bin/initdb'), args, draft, account, [handle.fd]);
    await initdb.exited;
    if (initdb.child.exitCode !== 0) {
      throw new EmbeddedPostgresError(
        'START_FAILED',
        `the database could not be made: ${reason(initdb.log())}`,
      );
    }
  } finally {
    await handle.close();
  }
  // The server never reads it again: root's file from here on.
  if (account !== null) await chown(passwordFile, 0, 0);
  await rename(passwordFile, paths.password);
  await rename(draft, paths.cluster);
}

/** Refuses the data of another major version. */
export async function checkVersion(paths: Paths): Promise<void> {
  for (const folder of [paths.cluster, paths.dataDir]) {
    const version = (await readIfThere(join(folder, 'PG_VERSION')))?.trim();
    if (version === undefined || version === MAJOR_VERSION) continue;
    const message = `${folder} holds data of PostgreSQL ${version}, this build has ${MAJOR_VERSION}: dump it with the older build, or move it away`;
    throw new EmbeddedPostgresError('DATA_VERSION', message);
  }
}

/** The password that the cluster was made with. */
export async function readPassword(paths: Paths): Promise<string> {
  const password = (await readIfThere(paths.password))?.trim() ?? '';
  if (password !== '') return password;
  throw new EmbeddedPostgresError(
    'PASSWORD_MISSING',
    `${paths.password} is missing: the database cannot be opened`,
  );
}
