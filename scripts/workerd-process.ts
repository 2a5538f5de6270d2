import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import workerd from 'workerd';
import { ensureBuilt } from './built-workers.ts';
import { atStop } from './command.ts';
import { endLeftoverWorkerd, noteWorkerd } from './leftover-workerd.ts';
import { assertPortFree, type Environment, StartError } from './environment.ts';
import { projectPath } from './project.ts';

export type WorkerdOptions = {
  environment: Environment;
  dataDir: string;
  host: string;
  ports: { manaAi: number; manaAuth: number };
};

/** `ended` resolves when the process ends without having been told to. */
export type WorkerdProcess = { ended: Promise<StartError> };

const READY_WITHIN_MS = 30_000;
const DRAIN_WITHIN_MS = 11_000;
const TERM_WITHIN_MS = 5_000;

/** Starts both Workers on workerd and waits until both answer /health. */
export async function startWorkerd(options: WorkerdOptions): Promise<WorkerdProcess> {
  const { ports, host } = options;
  await endLeftoverWorkerd(options.dataDir);
  await assertPortFree('MANA_AI_PORT', ports.manaAi, host);
  await assertPortFree('MANA_AUTH_PORT', ports.manaAuth, host);
  ensureBuilt();
  // Known to this process and the Worker alone: draining needs no service key to be configured.
  const drainToken = randomUUID();
  const child = spawnWorkerd(options, drainToken);
  if (child.pid !== undefined) noteWorkerd(options.dataDir, child.pid);
  const exited = new Promise<number>((done) => child.once('exit', (code) => done(code ?? 128)));
  atStop(() => stopWorkerd(child, exited, ports.manaAi, drainToken));
  const ended = exited.then((code) => new StartError(`workerd ended with code ${code}; the log above says why`));
  await Promise.race([untilHealthy(Object.values(ports)), ended.then(raise)]);
  return { ended };
}

function raise(error: StartError): never {
  throw error;
}

function spawnWorkerd({ environment, dataDir, host, ports }: WorkerdOptions, drainToken: string): ChildProcess {
  const folders = ['mana-ai-objects', 'mana-auth-objects'].map((name) => [name, `${dataDir}/${name}`] as const);
  for (const [, path] of folders) mkdirSync(path, { recursive: true, mode: 0o700 });
  const sockets = [`mana-ai=${host}:${ports.manaAi}`, `mana-auth=${host}:${ports.manaAuth}`];
  return spawn(
    workerd.default,
    [
      'serve',
      projectPath('workerd.capnp'),
      'config',
      ...sockets.flatMap((socket) => ['--socket-addr', socket]),
      ...folders.flatMap(([name, path]) => ['--directory-path', `${name}=${path}`]),
    ],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...environment, MANA_DRAIN_TOKEN: drainToken },
    },
  );
}

async function untilHealthy(ports: readonly number[]): Promise<void> {
  const deadlineMs = Date.now() + READY_WITHIN_MS;
  for (const port of ports) {
    while (!(await isHealthy(port))) {
      if (Date.now() > deadlineMs)
        throw new StartError(`nothing answered /health on port ${port} within 30 s; the log above says why`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

async function isHealthy(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(3_000) });
    return response.ok;
  } catch {
    return false;
  }
}

/** Drain, SIGTERM, and SIGKILL where that does not help. */
async function stopWorkerd(
  child: ChildProcess,
  exited: Promise<number>,
  port: number,
  drainToken: string,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await drain(port, drainToken);
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
    if (timedOut) process.stderr.write('the Workers did not drain in time; runs resume at the next start\n');
  }
}
