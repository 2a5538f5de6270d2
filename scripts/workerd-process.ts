import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import workerd from 'workerd';
import { ensureBuilt } from './built-workers.ts';
import { assertPortFree, type Environment, StartError } from './environment.ts';
import { projectPath } from './project.ts';

export type WorkerdOptions = {
  environment: Environment;
  dataDir: string;
  host: string;
  ports: { manaAi: number; manaAuth: number };
};

export type WorkerdProcess = {
  pid: number;
  /** resolves with the exit code (or 128 and the signal's stead) whenever and however the process ends */
  exited: Promise<number>;
  /** drains, then SIGTERM, then SIGKILL after 5 s; resolves when the process is gone */
  stop(): Promise<void>;
};

const READY_WITHIN_MS = 30_000;
const DRAIN_WITHIN_MS = 11_000;
const TERM_WITHIN_MS = 5_000;

/** Starts both Workers on workerd and waits until both answer /health. */
export async function startWorkerd(options: WorkerdOptions): Promise<WorkerdProcess> {
  const { ports, host } = options;
  await assertPortFree('MANA_AI_PORT', ports.manaAi, host);
  await assertPortFree('MANA_AUTH_PORT', ports.manaAuth, host);
  ensureBuilt();
  // Known to this process and the Worker alone: draining needs no service key to be configured.
  const drainToken = randomUUID();
  const child = spawnWorkerd(options, drainToken);
  const exited = new Promise<number>((done) => child.once('exit', (code) => done(code ?? 128)));
  const stop = (): Promise<void> => stopWorkerd(child, exited, ports.manaAi, drainToken);
  try {
    await Promise.race([untilHealthy(Object.values(ports)), exited.then(failEarly)]);
  } catch (thrown) {
    child.kill('SIGKILL');
    throw thrown;
  }
  return { pid: child.pid ?? 0, exited, stop };
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

function failEarly(code: number): never {
  throw new StartError(`workerd ended with code ${code} before it was ready; the log above says why`);
}

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

/** A Worker that cannot answer is stopped all the same: runs resume from their checkpoints. */
async function drain(port: number, drainToken: string): Promise<void> {
  try {
    await fetch(`http://127.0.0.1:${port}/internal/drain`, {
      method: 'POST',
      headers: { 'X-Drain-Token': drainToken },
      signal: AbortSignal.timeout(DRAIN_WITHIN_MS),
    });
  } catch {
    process.stderr.write('the Workers did not drain in time; runs resume at the next start\n');
  }
}
