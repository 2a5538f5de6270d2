import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AuditRow } from '../../src/audit/row.ts';
import type { ReadRecord } from '../../src/carry-out/index.ts';
import type { OwnerMission } from '../../src/missions/views.ts';
import { runCli } from './support/command-line.ts';
import {
  type EmbeddedRun,
  processesOf,
  removeWithProcesses,
  runEmbedded,
  runScriptIn,
  tokenOf,
  untilNoProcess,
  waitFor,
} from './support/runner.ts';

const PLANNED_WITHIN_MS = 30_000;

let dataDir: string;

beforeAll(() => {
  dataDir = mkdtempSync(`${tmpdir()}/mana-edge-start-`);
});

afterAll(async () => {
  await removeWithProcesses(dataDir);
});

async function missionsOf(running: EmbeddedRun): Promise<OwnerMission[]> {
  const headers = { authorization: `Bearer ${await tokenOf(running)}` };
  const response = await fetch(`${running.url}/api/v1/me/missions`, { headers });
  expect(response.status).toBe(200);
  const { missions } = await response.json<{ missions: OwnerMission[] }>();
  return missions;
}

function iterationIds(missions: readonly OwnerMission[]): Record<string, unknown[]> {
  return Object.fromEntries(
    missions.map(({ id, iterations }) => [
      id,
      iterations.map((item) => (item as { id: unknown }).id),
    ]),
  );
}

/** A text with the same word for any instant and any day. */
function timeless(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<instant>')
    .replaceAll(/\w+day, \d+ \w+ \d{4}/g, '<day>');
}

/** What the README shows as printed. */
function planOfTheReadme(): string {
  const readme = readFileSync('README.md', 'utf8');
  const [, shown] = /```text\n(mission demo-reading [\s\S]*?)```/.exec(readme) ?? [];
  if (shown === undefined) throw new Error('the README shows no plan');
  return timeless(shown);
}

/** The mission over encrypted notes: ciphertext for everybody, the plan for its owner's device, both notes in the audit. */
async function expectEncryptedNotes(
  running: EmbeddedRun,
  missions: readonly OwnerMission[],
): Promise<void> {
  const notes = missions.find(({ id }) => id === 'demo-notes');
  expect(notes).toMatchObject({ title: expect.stringMatching(/^enc:2:/), grant: { state: 'ok' } });
  expect(JSON.stringify(notes)).not.toContain('Garden');
  // Without the ports that npm start was given: the session that it left names them.
  const opened = await runScriptIn(dataDir, 'read', { ai: '', auth: '' });
  expect(JSON.parse(opened)).toMatchObject([
    { plan: [{ summary: expect.stringContaining('Garden') }, {}, {}] },
  ]);
  const headers = { authorization: `Bearer ${await tokenOf(running)}` };
  const audit = await (
    await fetch(`${running.url}/api/v1/me/ai-audit`, { headers })
  ).json<{ rows: AuditRow[] }>();
  expect(audit.rows.map(({ kind, recordId, status }) => [kind, recordId, status])).toEqual([
    ['attempt', 'demo-note-garden', 'pending'],
    ['attempt', 'demo-note-seeds', 'pending'],
    ['outcome', 'demo-note-garden', 'ok'],
    ['outcome', 'demo-note-seeds', 'ok'],
  ]);
  const secrets = JSON.parse(readFileSync(`${dataDir}/secrets.json`, 'utf8')) as Record<
    string,
    string
  >;
  for (const secret of Object.values(secrets)) expect(running.output()).not.toContain(secret);
  expect(statSync(`${dataDir}/secrets.json`).mode & 0o777).toBe(0o600);
}

/** The mission of an agent that looks at open tasks before it proposes; it runs when it is asked to. */
async function expectReadBeforeProposed(running: EmbeddedRun): Promise<void> {
  const headers = { authorization: `Bearer ${await tokenOf(running)}` };
  const run = await fetch(`${running.url}/api/v1/me/missions/demo-garden/run`, {
    method: 'POST',
    headers,
  });
  expect(run.ok).toBe(true);
  const planned = 'mission demo-garden was planned';
  await waitFor(() => running.output().includes(planned) || undefined, planned, PLANNED_WITHIN_MS);
  const opened = await runScriptIn(dataDir, 'read', running.ports, ['demo-garden']);
  for (const read of ['Garden', 'Seeds', 'Turn the compost'])
    expect(opened).toContain(`Next step: ${read}`);
}

/** Approved at the command line, a step is done: the task is in the log, encrypted, and opens for its owner. */
async function expectApprovedIsDone(running: EmbeddedRun): Promise<void> {
  const environment = { MANA_DATA_DIR: dataDir };
  const input = 'y\nq\n';
  const reviewed = await runCli(['review', 'demo-notes'], environment, { input });
  expect(reviewed.out).toMatch(/creates tasks[\s\S]*Created the task 'Next step: \w+/);
  const headers = { authorization: `Bearer ${await tokenOf(running)}` };
  const response = await fetch(`${running.url}/api/v1/me/records?module=todo`, { headers });
  const { records } = await response.json<{ records: ReadRecord[] }>();
  const made = records.filter(({ data }) => data['createdAt'] !== undefined);
  expect(made).toMatchObject([{ data: { title: expect.stringMatching(/^enc:2:1:/) } }]);
  const listed = await runCli(['records', 'list', 'todo'], environment);
  expect(listed.out).toMatch(new RegExp(`tasks:${made[0]?.recordId} .*Next step: `));
}

// The cases follow one another: they share the data folder.
let firstIterations: Record<string, unknown[]>;

it('npm start plans the demo mission within 30 s, shows it under the printed token, and Ctrl-C ends every process', async () => {
  const running = await runEmbedded('start', dataDir);
  for (const id of ['demo-reading', 'demo-notes']) {
    const planned = `mission ${id} was planned`;
    await waitFor(
      () => running.output().includes(planned) || undefined,
      planned,
      PLANNED_WITHIN_MS,
    );
  }
  expect(timeless(running.output())).toContain(planOfTheReadme());
  const missions = await missionsOf(running);
  const ids = ['demo-garden', 'demo-notes', 'demo-reading', 'demo-review', 'demo-week'];
  expect(missions.map(({ id }) => id).toSorted()).toEqual(ids);
  const reading = missions.find(({ id }) => id === 'demo-reading');
  expect(reading).toMatchObject({ status: 'scheduled', iterations: [{ source: 'server' }] });
  expect(Date.parse(reading?.nextRunAt ?? '')).toBeGreaterThan(Date.now());
  await expectEncryptedNotes(running, missions);
  await expectReadBeforeProposed(running);
  await expectApprovedIsDone(running);
  firstIterations = iterationIds(await missionsOf(running));
  expect(processesOf(dataDir).length).toBeGreaterThan(2);
  running.interrupt();
  await running.exited;
  await untilNoProcess(dataDir);
});

it('a second npm start finds its data: no second demo user, nothing planned twice', async () => {
  const running = await runEmbedded('start', dataDir);
  expect(iterationIds(await missionsOf(running))).toEqual(firstIterations);
  await waitFor(async () => {
    const response = await fetch(`${running.url}/health`);
    const { tick } = await response.json<{ tick: { queued: number; running: number } }>();
    return (tick.queued === 0 && tick.running === 0) || undefined;
  }, 'the runner to be quiet');
  expect(iterationIds(await missionsOf(running))).toEqual(firstIterations);
  expect(running.output()).not.toContain('was planned');

  const beside = await runEmbedded('start', dataDir);
  expect(await beside.exited).not.toBe(0);
  expect(beside.output()).toContain('already running');
  expect(beside.output()).not.toMatch(/^\s+at /m);
  // The first one is not disturbed.
  expect(iterationIds(await missionsOf(running))).toEqual(firstIterations);
  running.interrupt();
  await running.exited;
  await untilNoProcess(dataDir);
});

it('a taken port is a clear message, and nothing is left running', async () => {
  const running = await runEmbedded('start', dataDir);
  await tokenOf(running);
  const taken = new URL(running.url).port;
  const otherDir = mkdtempSync(`${tmpdir()}/mana-edge-start-`);
  try {
    const refused = await runEmbedded('start', otherDir, { MANA_AI_PORT: taken });
    expect(await refused.exited).not.toBe(0);
    expect(refused.output()).toContain(`MANA_AI_PORT: port ${taken} is taken`);
    await untilNoProcess(otherDir);
  } finally {
    await removeWithProcesses(otherDir);
  }
  running.interrupt();
  await running.exited;
});
