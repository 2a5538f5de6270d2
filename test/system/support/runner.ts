import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect } from 'vitest';
import { exportPKCS8, generateKeyPair } from 'jose';
import { signUserToken } from '../../../scripts/embedded/embedded-secrets.ts';
import { projectPath } from '../../../scripts/process/project.ts';
import { freePort } from '../../../scripts/process/free-port.ts';

export const SERVICE_KEY = 'test-service-key';

export type Runner = {
  url: string;
  /** of mana-auth */
  authUrl: string;
  consoleUrl: string;
  dataDir: string;
  /** everything that the process printed so far */
  output(): string;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** with the service key */
  internal(path: string, method?: 'GET' | 'POST'): Promise<Response>;
  asUser(userId: string, path: string, init?: RequestInit): Promise<Response>;
  /** a token of that user, as mana-auth would sign it */
  userToken(userId: string): Promise<string>;
  /** SIGTERM to the command; resolves with its exit code */
  stop(): Promise<number | null>;
  /** SIGKILL to everything at once */
  kill(): Promise<void>;
  /** SIGKILL to the command alone: workerd lives on */
  killCommandOnly(): Promise<void>;
  /** after stop or kill: the same data folder and ports, and the same variables but for `changes` */
  restart(changes?: Record<string, string>): Promise<void>;
  /** removes the data folder; ends the process if it still runs */
  dispose(): Promise<void>;
};

export type RunnerOptions = {
  databaseUrl: string;
  llmUrl: string;
  environment?: Record<string, string>;
};

/** Starts the real `npm run serve` and waits for its line `ready`. */
export async function startRunner({
  databaseUrl,
  llmUrl,
  environment = {},
}: RunnerOptions): Promise<Runner> {
  const dataDir = mkdtempSync(`${tmpdir()}/mana-edge-runner-`);
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const issuerKeyPem = await exportPKCS8(privateKey);
  const port = await freePort();
  const authPort = await freePort();
  const consolePort = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const variables = {
    DATABASE_URL: databaseUrl,
    MANA_LLM_URL: llmUrl,
    MANA_LLM_MODEL: 'stub',
    MANA_SERVICE_KEY: SERVICE_KEY,
    MANA_DATA_DIR: dataDir,
    MANA_AI_PORT: String(port),
    MANA_AUTH_PORT: String(authPort),
    MANA_CONSOLE_PORT: String(consolePort),
    MANA_AUTH_ISSUER_KEY_PEM: issuerKeyPem,
    ...environment,
  };
  let served = await serve(variables);
  const get: Runner['get'] = (path, headers = {}) => fetch(`${url}${path}`, { headers });
  const userToken: Runner['userToken'] = (userId) =>
    signUserToken(issuerKeyPem, { userId, issuer: 'mana-auth', audience: 'mana' });
  const asUser: Runner['asUser'] = async (userId, path, init = {}) => {
    const headers = {
      ...(init.headers as Record<string, string>),
      authorization: `Bearer ${await userToken(userId)}`,
    };
    return fetch(`${url}${path}`, { ...init, headers });
  };
  const kill = async (): Promise<void> => {
    signalGroup(served.child, 'SIGKILL');
    await served.exited;
  };
  return {
    url,
    authUrl: `http://127.0.0.1:${authPort}`,
    consoleUrl: `http://localhost:${consolePort}`,
    dataDir,
    output: () => served.output(),
    get,
    internal: (path, method = 'GET') =>
      fetch(`${url}${path}`, { method, headers: { 'x-service-key': SERVICE_KEY } }),
    asUser,
    userToken,
    stop: async () => {
      served.child.kill('SIGTERM');
      return served.exited;
    },
    kill,
    killCommandOnly: async () => {
      const { commandPid } = JSON.parse(readFileSync(`${dataDir}/workerd.json`, 'utf8')) as {
        commandPid: number;
      };
      process.kill(commandPid, 'SIGKILL');
      await served.exited;
    },
    restart: async (changes = {}) => {
      served = await serve({ ...variables, ...changes });
    },
    dispose: async () => {
      await kill();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export type Served = { child: ChildProcess; exited: Promise<number | null>; output(): string };

async function serve(variables: Record<string, string>): Promise<Served> {
  const served = spawnServe(variables);
  const code = await Promise.race([
    served.exited,
    waitFor(
      () => served.output().includes('ready\n') || undefined,
      'the line `ready`',
      60_000,
    ).then(() => 'ready'),
  ]);
  if (code !== 'ready')
    throw new Error(`serve ended with ${code} before it was ready:\n${served.output()}`);
  return served;
}

/** The command as a user runs it, in a process group of its own so that a test can take the whole of it down. */
export function spawnServe(variables: Record<string, string>): Served {
  return spawnScript('serve', variables);
}

function spawnScript(
  script: string,
  variables: Record<string, string>,
  args: readonly string[] = [],
): Served {
  const child = spawn('npm', ['run', '--silent', script, '--', ...args], {
    cwd: projectPath('.'),
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...variables },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const exited = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  return { child, exited, output: () => text };
}

/** A script that ends by itself, as a user runs it. */
export async function runScript(
  script: string,
  variables: Record<string, string>,
  args: readonly string[] = [],
): Promise<{ code: number | null; output: string }> {
  const served = spawnScript(script, variables, args);
  return { code: await served.exited, output: served.output() };
}

export type EmbeddedRun = {
  url: string;
  ports: { ai: string; auth: string };
  output(): string;
  exited: Promise<number | null>;
  /** Ctrl-C: a terminal sends SIGINT to the whole group */
  interrupt(): void;
};

/** `npm start` or `npm run dev` in a data folder, on free ports, with nothing else configured. */
export async function runEmbedded(
  script: 'start' | 'dev',
  dataDir: string,
  changes: Record<string, string> = {},
): Promise<EmbeddedRun> {
  const ports = { ai: String(await freePort()), auth: String(await freePort()) };
  const served = spawnScript(script, { ...variablesOf(dataDir, ports), ...changes });
  return {
    url: `http://127.0.0.1:${ports.ai}`,
    ports,
    output: () => served.output(),
    exited: served.exited,
    interrupt: () => signalGroup(served.child, 'SIGINT'),
  };
}

/** What a script prints that works beside a running `npm start`. */
export async function runScriptIn(
  dataDir: string,
  script: string,
  ports: EmbeddedRun['ports'],
  args: readonly string[] = [],
): Promise<string> {
  const served = spawnScript(script, variablesOf(dataDir, ports), args);
  expect(await served.exited, served.output()).toBe(0);
  return served.output();
}

function variablesOf(dataDir: string, { ai, auth }: EmbeddedRun['ports']): Record<string, string> {
  return { MANA_DATA_DIR: dataDir, MANA_AI_PORT: ai, MANA_AUTH_PORT: auth };
}

/** The demo user's token, once it is printed. */
export async function tokenOf(running: EmbeddedRun): Promise<string> {
  return waitFor(() => /^token:\s+(\S+)$/m.exec(running.output())?.[1], 'the token', 30_000);
}

/** Processes that work in a folder or were told of it: the command, workerd and PostgreSQL with its children. */
export function processesOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => traceOf(pid).includes(folder))
    .map(Number);
}

function traceOf(pid: string): string {
  try {
    const texts = [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`].map((path) =>
      readFileSync(path, 'utf8'),
    );
    return [readlinkSync(`/proc/${pid}/cwd`), ...texts].join('\n');
  } catch {
    // Ended meanwhile.
    return '';
  }
}

/** The last of them may end a moment after the command that started it. */
export async function untilNoProcess(folder: string): Promise<void> {
  await waitFor(
    () => processesOf(folder).length === 0 || undefined,
    `no process to be left in ${folder}`,
    5_000,
  );
}

/** Ends what a failed test left running in its folder, and the folder. */
export async function removeWithProcesses(folder: string): Promise<void> {
  for (const pid of processesOf(folder)) killProcess(pid);
  await untilNoProcess(folder);
  rmSync(folder, { recursive: true, force: true });
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended meanwhile.
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid ?? 0), signal);
  } catch {
    // The group is gone already.
  }
}

/** Asks until the answer is not undefined. */
export async function waitFor<T>(
  ask: () => Promise<T | undefined> | T | undefined,
  what: string,
  withinMs = 20_000,
): Promise<T> {
  const deadlineMs = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadlineMs) throw new Error(`waited ${withinMs} ms for ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}
