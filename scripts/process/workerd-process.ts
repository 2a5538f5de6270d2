import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import workerd from 'workerd';
import { ensureBuilt } from './built-workers.ts';
import { atStop } from './command.ts';
import { endLeftoverWorkerd, noteWorkerd } from './leftover-workerd.ts';
import { assertPortFree, type Environment, StartError } from './environment.ts';
import { removeDamagedObjects } from './object-files.ts';
import { projectPath } from './project.ts';
import { type Trust, writeTrust } from './trust.ts';
import { prepareWayToPostgres } from './way-to-postgres.ts';

export type WorkerdOptions = {
  environment: Environment;
  dataDir: string;
  host: string;
  /** the port of each Worker that this process runs; without one the Worker is left out */
  ports: { manaAi?: number; manaAuth?: number; manaConsole?: number };
};

/** The Workers by the names of workerd.capnp: their socket, and the variable of their port. */
const WORKERS = [
  { name: 'mana-ai', key: 'manaAi', variable: 'MANA_AI_PORT', alone: 'configManaAi' },
  { name: 'mana-auth', key: 'manaAuth', variable: 'MANA_AUTH_PORT', alone: 'configManaAuth' },
  // The console is nothing without the other two: it calls them in their process.
  { name: 'mana-console', key: 'manaConsole', variable: 'MANA_CONSOLE_PORT', alone: 'config' },
] as const;

const PAGE_FOLDER = 'dist/mana-console/page';

type Served = (typeof WORKERS)[number] & { port: number };

function servedBy({ ports }: WorkerdOptions): Served[] {
  return WORKERS.flatMap((worker) => {
    const port = ports[worker.key];
    return port === undefined ? [] : [{ ...worker, port }];
  });
}

/** `ended` resolves when the process ends without having been told to. */
export type WorkerdProcess = { ended: Promise<StartError> };

const READY_WITHIN_MS = 30_000;
/** PostgreSQL has answered this command already: if the Workers do not reach it, waiting does not help. */
const POSTGRES_WITHIN_MS = 10_000;
const DRAIN_WITHIN_MS = 11_000;
const TERM_WITHIN_MS = 5_000;

/** Starts the Workers that have a port on workerd and waits until each answers /health. */
export async function startWorkerd(options: WorkerdOptions): Promise<WorkerdProcess> {
  const served = servedBy(options);
  assertDistinctPorts(served);
  await endLeftoverWorkerd(options.dataDir);
  for (const { variable, port } of served) await assertPortFree(variable, port, options.host);
  ensureBuilt();
  // Known to this process and the Worker alone: draining needs no service key to be configured.
  const drainToken = randomUUID();
  const { environment, trust } = await prepareWayToPostgres(options.environment);
  for (const { name } of served) mendObjects(`${options.dataDir}/${name}-objects`);
  const child = spawnWorkerd({ ...options, environment }, trust, drainToken);
  if (child.pid !== undefined) noteWorkerd(options.dataDir, child.pid);
  const exited = new Promise<number>((done) => child.once('exit', (code) => done(code ?? 128)));
  atStop(() => stopWorkerd(child, exited, options.ports.manaAi, drainToken));
  const ended = exited.then(
    (code) => new StartError(`workerd ended with code ${code}; the log above says why`),
  );
  await Promise.race([untilHealthy(served.map(({ port }) => port)), ended.then(raise)]);
  return { ended };
}

function assertDistinctPorts(served: readonly Served[]): void {
  for (const { port, variable } of served) {
    const first = served.find((other) => other.port === port);
    if (first !== undefined && first.variable !== variable)
      throw new StartError(`${variable} wants another port than ${first.variable}`);
  }
}

function mendObjects(folder: string): void {
  for (const path of removeDamagedObjects(folder))
    process.stderr.write(`${path} was damaged and is removed; what was in it is found again\n`);
}

function raise(error: StartError): never {
  throw error;
}

function spawnWorkerd(options: WorkerdOptions, trust: Trust, drainToken: string): ChildProcess {
  const { environment, dataDir, host } = options;
  const served = servedBy(options);
  const folders = served
    .filter(({ name }) => name !== 'mana-console')
    .map(({ name }) => [`${name}-objects`, `${dataDir}/${name}-objects`] as const);
  for (const [, path] of folders) mkdirSync(path, { recursive: true, mode: 0o700 });
  const page =
    options.ports.manaConsole === undefined
      ? []
      : ['--directory-path', `mana-console-page=${projectPath(PAGE_FOLDER)}`];
  const sockets = served.map(({ name, port }) => `${name}=${host}:${port}`);
  const [only] = served;
  return spawn(
    workerd.default,
    [
      'serve',
      projectPath('workerd.capnp'),
      served.length === 1 && only !== undefined ? only.alone : 'config',
      '--import-path',
      writeTrust(dataDir, trust),
      ...sockets.flatMap((socket) => ['--socket-addr', socket]),
      ...folders.flatMap(([name, path]) => ['--directory-path', `${name}=${path}`]),
      ...page,
    ],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ...environment,
        MANA_DRAIN_TOKEN: drainToken,
        MANA_WORKERD_VERSION: workerd.version,
      },
    },
  );
}

/** `ready` is a promise: each Worker has made a transaction of its own by then. */
async function untilHealthy(ports: readonly number[]): Promise<void> {
  const startedMs = Date.now();
  for (const port of ports) {
    for (;;) {
      const fault = await faultOf(port);
      if (fault === null) break;
      if (Date.now() - startedMs > fault.withinMs)
        throw new StartError(`the Worker on port ${port} does not get ready: ${fault.words}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

type Health = { postgres?: { ok: boolean; error?: { code: string; message: string } } };

/** Why the Worker cannot serve yet, and how long that may last; null where it can. */
async function faultOf(port: number): Promise<{ words: string; withinMs: number } | null> {
  const withinMs = READY_WITHIN_MS;
  try {
    const response = await fetch(`http://127.0.0.1:${port}/health`, {
      signal: AbortSignal.timeout(3_000),
    });
    if (!response.ok)
      return { words: `/health answers ${response.status}; the log above says why`, withinMs };
    const { postgres } = await response.json<Health>();
    if (postgres?.ok !== false) return null;
    const { code, message } = postgres.error ?? { code: 'UNKNOWN', message: 'PostgreSQL is away' };
    return { words: `${message} (${code})`, withinMs: POSTGRES_WITHIN_MS };
  } catch {
    return { words: 'nothing answers /health; the log above says why', withinMs };
  }
}

/** Drain, SIGTERM, and SIGKILL where that does not help. */
async function stopWorkerd(
  child: ChildProcess,
  exited: Promise<number>,
  runnerPort: number | undefined,
  drainToken: string,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  if (runnerPort !== undefined) await drain(runnerPort, drainToken);
  child.kill('SIGTERM');
  const forced = setTimeout(() => child.kill('SIGKILL'), TERM_WITHIN_MS);
  await exited;
  clearTimeout(forced);
}

/** A Worker that cannot answer, or that a Ctrl-C has ended already, is stopped all the same: runs resume from their checkpoints. */
async function drain(port: number, drainToken: string): Promise<void> {
  try {
    await fetch(`http://127.0.0.1:${port}/internal/drain`, {
      method: 'POST',
      headers: { 'X-Drain-Token': drainToken },
      signal: AbortSignal.timeout(DRAIN_WITHIN_MS),
    });
  } catch (thrown) {
    const timedOut = thrown instanceof Error && thrown.name === 'TimeoutError';
    if (timedOut)
      process.stderr.write('the Workers did not drain in time; runs resume at the next start\n');
  }
}
