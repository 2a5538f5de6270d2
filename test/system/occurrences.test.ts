import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Occurrence, OwnerMission } from '../../src/missions/views.ts';
import { Device, dueMission, runnerRows, writeRecord } from './support/device.ts';
import { waitFor } from './support/runner.ts';
import { useStage } from './support/stage.ts';

const DAY_MS = 24 * 3_600_000;

const { postgres, llm, runner } = useStage();

beforeEach(() => llm.behave('plan'));

async function missionOf(userId: string): Promise<OwnerMission | undefined> {
  const response = await runner.asUser(userId, '/api/v1/me/missions');
  return (await response.json<{ missions: OwnerMission[] }>()).missions[0];
}

async function untilOccurrences(userId: string, fates: string[]): Promise<Occurrence[]> {
  return waitFor(async () => {
    const occurrences = (await missionOf(userId))?.occurrences ?? [];
    return fates.join() === occurrences.map(({ fate }) => fate).join() ? occurrences : undefined;
  }, `the fates ${fates.join()}`);
}

async function counted(fate: string): Promise<number> {
  const text = await (await runner.get('/metrics')).text();
  return Number(
    new RegExp(`^mana_ai_occurrences_total\\{fate="${fate}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0,
  );
}

/** A daily mission whose moment was an hour ago, named first that many days before. */
function dailySince(days: number): Record<string, unknown> {
  const moment = new Date(Date.now() - 3_600_000);
  moment.setUTCSeconds(0, 0);
  const cadence = {
    kind: 'daily',
    atHour: moment.getUTCHours(),
    atMinute: moment.getUTCMinutes(),
    timeZone: 'UTC',
  };
  return dueMission({
    cadence,
    nextRunAt: new Date(moment.getTime() - days * DAY_MS).toISOString(),
  });
}

describe('a due moment', () => {
  it('that was met ran, and names its iteration', async () => {
    const userId = randomUUID();
    const nextRunAt = new Date(Date.now() + 500).toISOString();
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission({ nextRunAt }) });
    const [ran] = await untilOccurrences(userId, ['ran']);
    const runId = (await missionOf(userId))?.iterations.map(
      (item) => (item as { id: string }).id,
    )[0];
    expect(ran).toMatchObject({ dueAt: nextRunAt, fate: 'ran', runId });
    expect(await counted('ran')).toBe(1);
  });

  it('and two more, all missed by a runner that was down, are one caught-up and two merged', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, {
      userId,
      recordId: 'm',
      data: dueMission({ nextRunAt: '2031-01-01T00:00:00Z' }),
    });
    await waitFor(() => missionOf(userId), 'the mission to be known');
    await runner.kill();
    const { cadence, nextRunAt } = dailySince(2);
    await new Device(postgres, { userId, recordId: 'm' }).write({ cadence, nextRunAt });
    await runner.restart();
    const occurrences = await untilOccurrences(userId, ['merged', 'merged', 'caught-up']);
    expect(new Set(occurrences.map(({ runId }) => runId)).size).toBe(1);
    expect(
      occurrences.map(({ dueAt }) => Date.parse(dueAt) - Date.parse(String(nextRunAt))),
    ).toEqual([0, DAY_MS, 2 * DAY_MS]);
    expect(await runnerRows(postgres, userId, 'm')).toHaveLength(1);
    expect([await counted('merged'), await counted('caught-up')]).toEqual([2, 1]);
    // A later start, and a new reading of the log, change nothing about it.
    await runner.kill();
    await runner.restart();
    await runner.internal('/internal/tick', 'POST');
    expect((await missionOf(userId))?.occurrences).toEqual(occurrences);
  });

  it('that a paused agent let pass is skipped, until the agent is back and it is caught up', async () => {
    const userId = randomUUID();
    const agent = { table: 'agents', recordId: 'agent' };
    await writeRecord(postgres, { userId, ...agent, data: { name: 'Ada', state: 'paused' } });
    await writeRecord(postgres, {
      userId,
      recordId: 'm',
      data: { ...dailySince(1), agentId: 'agent' },
    });
    const skipped = await untilOccurrences(userId, ['skipped', 'skipped']);
    expect(skipped.map(({ reason }) => reason)).toEqual(['agent', 'agent']);
    await writeRecord(postgres, { userId, ...agent, op: 'update', data: { state: 'active' } });
    await untilOccurrences(userId, ['merged', 'caught-up']);
  });

  it('that a tab ran is skipped for that reason, one that the person moved away says so', async () => {
    const [tab, moved] = [randomUUID(), randomUUID()];
    for (const userId of [tab, moved])
      await writeRecord(postgres, {
        userId,
        recordId: 'm',
        data: { ...dailySince(0), state: 'paused' },
      });
    for (const userId of [tab, moved]) await untilOccurrences(userId, ['skipped']);
    const running = {
      source: 'browser',
      overallStatus: 'running',
      startedAt: new Date().toISOString(),
      plan: [],
    };
    const nextRunAt = '2031-01-01T00:00:00.000Z';
    const atTheTab = new Device(postgres, { userId: tab, recordId: 'm' });
    await atTheTab.write({ state: 'active', iterations: [{ id: 'tab', ...running }] });
    await waitFor(
      async () => ((await missionOf(tab))?.reason === 'foreground-running' ? true : undefined),
      'the runner to wait for the tab',
    );
    await atTheTab.write({
      nextRunAt,
      iterations: [{ id: 'tab', ...running, overallStatus: 'approved' }],
    });
    await new Device(postgres, { userId: moved, recordId: 'm' }).write({ nextRunAt });
    for (const [userId, reason] of [
      [tab, 'foreground'],
      [moved, 'paused'],
    ] as const) {
      await waitFor(
        async () => ((await missionOf(userId))?.nextRunAt === nextRunAt ? true : undefined),
        'the next time',
      );
      expect((await missionOf(userId))?.occurrences).toMatchObject([{ fate: 'skipped', reason }]);
    }
    expect(await counted('skipped')).toBe(2);
  });

  it('has no fate while its run is tried again', async () => {
    const userId = randomUUID();
    llm.behave('not-json');
    const nextRunAt = new Date(Date.now() - 1_000).toISOString();
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission({ nextRunAt }) });
    await waitFor(
      async () => ((await missionOf(userId))?.reason === 'back-off' ? true : undefined),
      'the first failure',
    );
    expect((await missionOf(userId))?.occurrences).toEqual([]);
  });
});
