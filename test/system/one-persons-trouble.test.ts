import { randomUUID } from 'node:crypto';
import { openSync, readdirSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dueMission, runnerRows, writeRecord } from './support/device.ts';
import { waitFor } from './support/runner.ts';
import { useStage } from './support/stage.ts';

const on = useStage({ environment: async () => ({ MANA_AI_TICK_INTERVAL_MS: '2000' }) });

function people(count: number): string[] {
  return Array.from({ length: count }, () => randomUUID());
}

async function giveMission(userId: string, recordId = 'm'): Promise<void> {
  await writeRecord(on.postgres, { userId, recordId, data: dueMission() });
}

async function untilRows(userId: string, count: number, withinMs = 30_000): Promise<void> {
  await waitFor(
    async () => {
      const rows = await runnerRows(on.postgres, userId, 'm');
      return rows.length >= count || undefined;
    },
    `${count} rows of ours`,
    withinMs,
  );
}

function filesOf(namespace: string): string[] {
  const folder = `${on.runner.dataDir}/mana-ai-objects/${namespace}`;
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sqlite') && name !== 'metadata.sqlite')
    .map((name) => `${folder}/${name}`);
}

function overwrite(path: string): void {
  writeFileSync(path, 'no database at all '.repeat(500));
  for (const suffix of ['-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
}

/** Garbage from the second page on: the file opens, and what is in its tables is lost. */
function overwritePages(path: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(statSync(path).size - 4_096, 0xa5), 0, undefined, 4_096);
}

/** Due again, as a person's device would make it. */
async function makeDue(userId: string): Promise<void> {
  const data = { nextRunAt: new Date().toISOString() };
  await writeRecord(on.postgres, { userId, recordId: 'm', op: 'update', data });
}

describe.each([
  ['is no database any more', overwrite],
  ['is garbage from its second page on', overwritePages],
])('a file of a person that %s', (_, damage) => {
  it('is rebuilt from the log at once; the damaged and everybody else are planned', async () => {
    const damaged = people(6);
    for (const userId of damaged) await giveMission(userId);
    for (const userId of damaged) await untilRows(userId, 1);
    await on.runner.kill();
    for (const path of filesOf('mana-ai-UserMissions')) damage(path);
    for (const userId of damaged) await makeDue(userId);
    const [other = ''] = people(1);
    await giveMission(other);
    await on.runner.restart();
    await untilRows(other, 1, 15_000);
    for (const userId of damaged) await untilRows(userId, 2);
    const response = await on.runner.asUser(damaged[0] ?? '', '/api/v1/me/missions');
    expect(response.status).toBe(200);
  });
});

describe('damaged files of the coordinating objects and of the lists of alarms', () => {
  it('are removed at the start, and everybody is found again', async () => {
    const [userId = ''] = people(1);
    await giveMission(userId);
    await untilRows(userId, 1);
    await on.runner.stop();
    const folder = `${on.runner.dataDir}/mana-ai-objects`;
    for (const namespace of readdirSync(folder))
      overwrite(`${folder}/${namespace}/metadata.sqlite`);
    for (const namespace of ['mana-ai-Dispatcher', 'mana-ai-ChangeFeed', 'mana-ai-PostgresPool'])
      for (const path of filesOf(namespace)) overwrite(path);
    await makeDue(userId);
    await on.runner.restart();
    expect(on.runner.output()).toContain('was damaged and is removed');
    await untilRows(userId, 2);
  });
});
