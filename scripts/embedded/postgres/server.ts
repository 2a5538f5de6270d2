import { join } from 'node:path';
import { freePort } from '../../process/free-port.ts';
import type { Account } from './account.ts';
import { alreadyRunning, pause, STOP_TIMEOUT_MS } from './claim.ts';
import { EmbeddedPostgresError, errorCode } from './error.ts';
import { type Paths, readIfThere } from './files.ts';
import { type Launched, launch, ownFolder, reason } from './launch.ts';

const START_TIMEOUT_MS = 60_000;

/** Starts the server and waits until it accepts connections. */
async function startServer(
  paths: Paths,
  binaries: string,
  account: Account,
  port: number,
  durable: boolean,
): Promise<Launched> {
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'timezone=UTC',
  ];
  settings.push(
    'log_timezone=UTC',
    'logging_collector=off',
    'log_destination=stderr',
    'log_min_messages=warning',
  );
  if (!durable) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off');
  const args = [
    '-D',
    ownFolder(paths.cluster, account),
    ...settings.flatMap((setting) => ['-c', setting]),
  ];
  const server = launch(join(binaries, 'bin/postgres'), args, paths.cluster, account);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await isReady(paths, server))) {
    if (
      server.child.exitCode !== null ||
      server.child.signalCode !== null ||
      server.child.pid === undefined
    ) {
      await server.exited;
      throw startFailure(paths, server.log(), port);
    }
    if (performance.now() > deadline) {
      server.child.kill('SIGQUIT');
      throw new EmbeddedPostgresError(
        'START_FAILED',
        `the database did not start in time: ${reason(server.log())}`,
      );
    }
    await pause(20);
  }
  return server;
}

/** The server writes its state into the eighth line of postmaster.pid, below its own pid. */
async function isReady(paths: Paths, server: Launched): Promise<boolean> {
  const lines = (await readIfThere(join(paths.cluster, 'postmaster.pid')))?.split('\n') ?? [];
  return Number(lines[0]) === server.child.pid && lines[7]?.trim() === 'ready';
}

/** Tells the expected failures from the others. */
function startFailure(paths: Paths, log: string, port: number): EmbeddedPostgresError {
  if (/lock file "postmaster\.pid" already exists/.test(log)) return alreadyRunning(paths);
  if (/could not bind|could not create any TCP\/IP sockets/.test(log)) {
    return new EmbeddedPostgresError('PORT_IN_USE', `port ${port} on 127.0.0.1 is taken`);
  }
  return new EmbeddedPostgresError('START_FAILED', `the database did not start: ${reason(log)}`);
}

/**
 * Starts on the wanted port, or on a free one; a free one may be taken by the time the server gets
 * there.
 */
export async function startOnPort(
  paths: Paths,
  binaries: string,
  account: Account,
  options: { port?: number; durable?: boolean },
): Promise<{ server: Launched; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    try {
      return {
        port,
        server: await startServer(paths, binaries, account, port, options.durable ?? true),
      };
    } catch (error) {
      const again = options.port === undefined && attempt < 3 && errorCode(error) === 'PORT_IN_USE';
      if (!again) throw error;
    }
  }
}

/** Fast shutdown; at once where that takes too long. */
export async function stopServer(server: Launched): Promise<void> {
  server.child.kill('SIGINT');
  const timer = setTimeout(() => server.child.kill('SIGQUIT'), STOP_TIMEOUT_MS);
  await server.exited;
  clearTimeout(timer);
}
