import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { projectPath } from '../process/project.ts';
import { freePort } from '../process/free-port.ts';

const SERVICE_KEY = 'bench';
const READY_WITHIN_MS = 60_000;

export type BenchRunner = {
  url: string;
  dataDir: string;
  /** of workerd */
  pid(): number;
  internal(path: string, method?: 'GET' | 'POST'): Promise<Response>;
  /** SIGKILL to workerd at this very moment, and to its command */
  kill(): void;
  /**
   * after a kill: the same data folder and ports; resolves when it is ready, with the milliseconds
   * that took
   */
  restart(): Promise<number>;
  dispose(): Promise<void>;
};

export type BenchRunnerOptions = { databaseUrl: string; modelUrl: string; concurrency: number };

/** The runner as `npm run serve` starts it, in a process group of its own. */
export async function startBenchRunner({
  databaseUrl,
  modelUrl,
  concurrency,
}: BenchRunnerOptions): Promise<BenchRunner> {
  const dataDir = mkdtempSync(`${tmpdir()}/mana-edge-bench-objects-`);
  const [port, authPort] = [await freePort(), await freePort()];
  const environment = {
    DATABASE_URL: databaseUrl,
    MANA_LLM_URL: modelUrl,
    MANA_LLM_MODEL: 'bench',
    MANA_LLM_MAX_CONCURRENCY: String(concurrency),
    MANA_SERVICE_KEY: SERVICE_KEY,
    MANA_DATA_DIR: dataDir,
    MANA_AI_PORT: String(port),
    MANA_AUTH_PORT: String(authPort),
  };
  let child = await serve(environment);
  const pid = (): number => workerdPid(dataDir);
  const kill = (): void => {
    killQuietly(pid());
    killQuietly(-(child.pid ?? 0));
  };
  return {
    url: `http://127.0.0.1:${port}`,
    dataDir,
    pid,
    internal: (path, method = 'GET') =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: { 'x-service-key': SERVICE_KEY },
      }),
    kill,
    restart: async () => {
      await exited(child);
      const startedMs = performance.now();
      child = await serve(environment);
      return performance.now() - startedMs;
    },
    dispose: async () => {
      kill();
      await exited(child);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function serve(variables: Record<string, string>): Promise<ChildProcess> {
  const child = spawn(process.execPath, [projectPath('scripts/serve.ts')], {
    cwd: projectPath('.'),
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...variables },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const ready = new Promise<void>((done, fail) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-4_000);
      if (text.includes('ready\n')) done();
    });
    child.stderr?.on('data', (chunk: Buffer) => (text = (text + chunk.toString()).slice(-4_000)));
    child.once('exit', (code) =>
      fail(new Error(`serve ended with ${code} before it was ready:\n${text}`)),
    );
    setTimeout(
      () => fail(new Error(`serve was not ready in time:\n${text}`)),
      READY_WITHIN_MS,
    ).unref();
  });
  await ready;
  return child;
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((done) => child.once('exit', done));
}

/** serve writes it down when it starts workerd. */
function workerdPid(dataDir: string): number {
  return (JSON.parse(readFileSync(`${dataDir}/workerd.json`, 'utf8')) as { workerdPid: number })
    .workerdPid;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
