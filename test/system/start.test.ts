import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { projectPath } from '../../scripts/project.ts';
import type { OwnerMission } from '../../src/missions/views.ts';
import { freePort } from './free-port.ts';
import { waitFor } from './runner.ts';

const PLANNED_WITHIN_MS = 30_000;

/** Whole process groups that a test began; what still runs after it is ended hard. */
const started: ChildProcess[] = [];

let dataDir: string;

beforeAll(() => {
  dataDir = mkdtempSync(`${tmpdir()}/mana-edge-start-`);
});

afterEach(async () => {
  for (const child of started.splice(0)) signalGroup(child, 'SIGKILL');
  // The database is a group of its own.
  for (const pid of processesOf(dataDir)) process.kill(pid, 'SIGKILL');
  await waitFor(() => processesOf(dataDir).length === 0 || undefined, 'all processes to end');
});

afterAll(() => {
  rmSync(dataDir, { recursive: true, force: true });
});

type Started = {
  url: string;
  output(): string;
  exited: Promise<number | null>;
  /** Ctrl-C: the terminal sends SIGINT to the whole group */
  interrupt(): void;
};

/** `npm start` as a person runs it, on free ports, with nothing else configured. */
async function npmStart(changes: Record<string, string> = {}): Promise<Started> {
  const port = await freePort();
  const child = spawn('npm', ['start'], {
    cwd: projectPath('.'),
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      MANA_DATA_DIR: dataDir,
      MANA_AI_PORT: String(port),
      MANA_AUTH_PORT: String(await freePort()),
      ...changes,
    },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const exited = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
  const interrupt = (): void => signalGroup(child, 'SIGINT');
  return { url: `http://127.0.0.1:${port}`, output: () => text, exited, interrupt };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid ?? 0), signal);
  } catch {
    // The group is gone already.
  }
}

/** Processes that work in a folder or were told of it: the command, workerd and PostgreSQL with its children. */
function processesOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => traceOf(pid).includes(folder))
    .map(Number);
}

function traceOf(pid: string): string {
  try {
    const texts = [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`].map((path) => readFileSync(path, 'utf8'));
    return [readlinkSync(`/proc/${pid}/cwd`), ...texts].join('\n');
  } catch {
    // Ended meanwhile.
    return '';
  }
}

async function tokenOf(running: Started): Promise<string> {
  return waitFor(() => /^token:\s+(\S+)$/m.exec(running.output())?.[1], 'the token', PLANNED_WITHIN_MS);
}

async function missionsOf(running: Started): Promise<OwnerMission[]> {
  const headers = { authorization: `Bearer ${await tokenOf(running)}` };
  const response = await fetch(`${running.url}/api/v1/me/missions`, { headers });
  expect(response.status).toBe(200);
  const { missions } = await response.json<{ missions: OwnerMission[] }>();
  return missions;
}

function iterationIds(missions: readonly OwnerMission[]): Record<string, unknown[]> {
  return Object.fromEntries(
    missions.map(({ id, iterations }) => [id, iterations.map((item) => (item as { id: unknown }).id)]),
  );
}

// The cases follow one another: they share the data folder.
let firstIterations: Record<string, unknown[]>;

it('npm start plans the demo mission within 30 s, shows it under the printed token, and Ctrl-C ends every process', async () => {
  const running = await npmStart();
  const planned = 'mission demo-reading was planned';
  await waitFor(() => running.output().includes(planned) || undefined, planned, PLANNED_WITHIN_MS);
  const missions = await missionsOf(running);
  expect(missions.map(({ id }) => id).toSorted()).toEqual(['demo-reading', 'demo-review', 'demo-week']);
  const reading = missions.find(({ id }) => id === 'demo-reading');
  expect(reading).toMatchObject({ status: 'scheduled', iterations: [{ source: 'server' }] });
  expect(Date.parse(reading?.nextRunAt ?? '')).toBeGreaterThan(Date.now());
  firstIterations = iterationIds(missions);
  expect(processesOf(dataDir).length).toBeGreaterThan(2);
  running.interrupt();
  await running.exited;
  expect(processesOf(dataDir)).toEqual([]);
});

it('a second npm start finds its data: no second demo user, nothing planned twice', async () => {
  const running = await npmStart();
  expect(iterationIds(await missionsOf(running))).toEqual(firstIterations);
  await waitFor(async () => {
    const response = await fetch(`${running.url}/health`);
    const { tick } = await response.json<{ tick: { queued: number; running: number } }>();
    return (tick.queued === 0 && tick.running === 0) || undefined;
  }, 'the runner to be quiet');
  expect(iterationIds(await missionsOf(running))).toEqual(firstIterations);
  expect(running.output()).not.toContain('was planned');

  const beside = await npmStart();
  expect(await beside.exited).not.toBe(0);
  expect(beside.output()).toContain('already running');
  expect(beside.output()).not.toMatch(/^\s+at /m);
  // The first one is not disturbed.
  expect(iterationIds(await missionsOf(running))).toEqual(firstIterations);
  running.interrupt();
  await running.exited;
  expect(processesOf(dataDir)).toEqual([]);
});

it('a taken port is a clear message, and nothing is left running', async () => {
  const running = await npmStart();
  await tokenOf(running);
  const taken = new URL(running.url).port;
  const otherDir = mkdtempSync(`${tmpdir()}/mana-edge-start-`);
  try {
    const refused = await npmStart({ MANA_DATA_DIR: otherDir, MANA_AI_PORT: taken });
    expect(await refused.exited).not.toBe(0);
    expect(refused.output()).toContain(`MANA_AI_PORT: port ${taken} is taken`);
    expect(processesOf(otherDir)).toEqual([]);
  } finally {
    for (const pid of processesOf(otherDir)) process.kill(pid, 'SIGKILL');
    rmSync(otherDir, { recursive: true, force: true });
  }
  running.interrupt();
  await running.exited;
});
