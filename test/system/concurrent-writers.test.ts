import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { InternalMission } from '../../src/missions/views.ts';
import {
  Device,
  dueMission,
  mergedIterations,
  PAST,
  type RunnerRow,
  runnerRows,
  writeRecord,
} from './support/device.ts';
import { type ChatBody, plan } from './support/llm-stub.ts';
import { waitFor } from './support/runner.ts';
import { useStage } from './support/stage.ts';

const { postgres, llm, runner } = useStage();

beforeEach(() => llm.behave('plan'));

type MissionOf = { userId: string; recordId: string };

/** A mission of a new person, which the runner has planned once. */
async function plannedMission(): Promise<MissionOf & { ours: unknown }> {
  const mission = { userId: randomUUID(), recordId: 'm' };
  await writeRecord(postgres, { ...mission, data: dueMission() });
  const [row] = await untilRows(mission, 1);
  return { ...mission, ours: row?.data.iterations?.[0]?.['id'] };
}

async function untilRows({ userId, recordId }: MissionOf, count: number): Promise<RunnerRow[]> {
  return waitFor(async () => {
    const rows = await runnerRows(postgres, userId, recordId);
    return rows.length >= count ? rows : undefined;
  }, `${count} rows of ours`);
}

async function idsOf(mission: MissionOf): Promise<unknown[]> {
  return (await mergedIterations(postgres, mission)).map((item) => item['id']);
}

/** Everything that was written has reached its object, and nothing more comes of it. */
async function settle(): Promise<void> {
  for (let pass = 0; pass < 2; pass += 1) await runner.internal('/internal/tick', 'POST');
}

async function viewOf({ userId, recordId }: MissionOf): Promise<InternalMission | undefined> {
  const response = await runner.internal(`/internal/missions/${userId}`);
  const { missions } = await response.json<{ missions: InternalMission[] }>();
  return missions.find(({ id }) => id === recordId);
}

/** Holds the answers to a mission's first LLM call until it is opened. */
function holdRun(objective: string): { arrived(): Promise<unknown>; open(): void } {
  const gate = Promise.withResolvers<void>();
  const matches = (body: ChatBody): boolean => JSON.stringify(body.messages).includes(objective);
  llm.behave(async (body) => {
    if (matches(body)) await gate.promise;
    return plan(body);
  });
  return {
    arrived: () => waitFor(() => llm.requests.find(({ body }) => matches(body)), 'the LLM call'),
    open: gate.resolve,
  };
}

/** A mission whose first LLM call is under way. */
async function missionInFlight(): Promise<MissionOf & { open(): void }> {
  const objective = `objective-${randomUUID()}`;
  const mission = { userId: randomUUID(), recordId: 'm' };
  const run = holdRun(objective);
  await writeRecord(postgres, { ...mission, data: dueMission({ objective }) });
  await run.arrived();
  return { ...mission, open: () => run.open() };
}

describe('a device that overwrites iterations from an older copy', () => {
  it('has its write repaired once, and what it wrote stands', async () => {
    const mission = await plannedMission();
    await new Device(postgres, mission).add('mine');
    const rows = await untilRows(mission, 2);
    expect(rows[1]).toMatchObject({ origin: 'system', actor: { kind: 'system' } });
    expect(Object.keys(rows[1]!.data)).toEqual(['iterations']);
    expect(await idsOf(mission)).toEqual(['mine', mission.ours]);
    await settle();
    expect(await runnerRows(postgres, mission.userId, 'm')).toHaveLength(2);
  });

  it('and another one like it: one repair for each of their rows, and no ping-pong', async () => {
    const mission = await plannedMission();
    const [phone, laptop] = [new Device(postgres, mission), new Device(postgres, mission)];
    await phone.add('phone-1');
    await untilRows(mission, 2);
    await laptop.add('laptop-1');
    await untilRows(mission, 3);
    expect(await idsOf(mission)).toContain(mission.ours);
    // Neither pulls: each still writes from a copy that has nothing of ours.
    await phone.add('phone-2');
    await laptop.add('laptop-2');
    await waitFor(
      async () => ((await idsOf(mission)).includes(mission.ours) ? true : undefined),
      'the last repair',
    );
    await settle();
    const rows = await runnerRows(postgres, mission.userId, 'm');
    expect(rows.length).toBeLessThanOrEqual(1 + 4);
    await settle();
    expect(await runnerRows(postgres, mission.userId, 'm')).toHaveLength(rows.length);
    expect(await idsOf(mission)).toEqual(['laptop-1', 'laptop-2', mission.ours]);
  });

  it("brings back one of ours that an app took out to restore its person's version", async () => {
    const mission = await plannedMission();
    const phone = new Device(postgres, mission);
    await phone.pull();
    await phone.add('phone-1');
    await phone.remove(mission.ours);
    await untilRows(mission, 2);
    expect(await idsOf(mission)).toEqual(['phone-1', mission.ours]);
  });

  it('while the runner is down is repaired when it is back', async () => {
    const mission = await plannedMission();
    await runner.kill();
    await new Device(postgres, mission).add('mine');
    await runner.restart();
    await untilRows(mission, 2);
    expect(await idsOf(mission)).toEqual(['mine', mission.ours]);
  });

  it('of a mission with ciphertext is repaired like any other', async () => {
    const mission = await plannedMission();
    const device = new Device(postgres, mission);
    const secret = { id: 'secret', source: 'browser', summary: 'enc:2:1:abc.def', plan: [] };
    await device.write({
      title: 'enc:2:1:abc.def',
      objective: 'enc:2:1:abc.def',
      iterations: [secret],
    });
    await untilRows(mission, 2);
    const items = await mergedIterations(postgres, mission);
    expect(items.map((item) => item['id'])).toEqual(['secret', mission.ours]);
    expect(items[0]).toEqual(secret);
  });
});

describe('a device whose clock is two hours ahead', () => {
  it('loses nothing and wipes nothing out: the repair and the next run win over its stamps', async () => {
    const mission = await plannedMission();
    const device = new Device(postgres, mission, { clockAheadMs: 2 * 3_600_000 });
    await device.add('ahead');
    await untilRows(mission, 2);
    expect(await idsOf(mission)).toEqual(['ahead', mission.ours]);
    await device.write({ nextRunAt: PAST });
    const rows = await untilRows(mission, 3);
    expect(await idsOf(mission)).toEqual([
      'ahead',
      mission.ours,
      rows[2]?.data.iterations?.at(-1)?.['id'],
    ]);
    expect(Date.parse(rows[2]?.data.nextRunAt ?? '')).toBeGreaterThan(Date.now());
    expect(Date.parse(String(rows[2]?.field_meta['nextRunAt']))).toBeGreaterThan(
      Date.now() + 3_600_000,
    );
    await settle();
    expect(await runnerRows(postgres, mission.userId, 'm')).toHaveLength(3);
  });
});

describe('two devices at once', () => {
  it('write while a run is planned: its iteration and the later array both stand', async () => {
    const mission = await missionInFlight();
    const [phone, laptop] = [new Device(postgres, mission), new Device(postgres, mission)];
    await phone.add('phone-1');
    await laptop.add('laptop-1');
    mission.open();
    const [row] = await untilRows(mission, 1);
    const ours = row?.data.iterations?.at(-1)?.['id'];
    await settle();
    expect(await idsOf(mission)).toEqual(['laptop-1', ours]);
    // One that had not seen our row writes on: repaired.
    await phone.add('phone-2');
    await waitFor(
      async () => ((await idsOf(mission)).at(-1) === ours ? true : undefined),
      'the repair',
    );
    expect(await idsOf(mission)).toEqual(['phone-1', 'phone-2', ours]);
  });

  it('set the next time to two values: the later one counts and runs once', async () => {
    const mission = await plannedMission();
    const [phone, laptop] = [new Device(postgres, mission), new Device(postgres, mission)];
    await Promise.all([
      phone.write({ nextRunAt: PAST }),
      laptop.write({ nextRunAt: new Date(Date.now() - 1_000).toISOString() }),
    ]);
    await untilRows(mission, 2);
    await settle();
    expect((await runnerRows(postgres, mission.userId, 'm')).length).toBeLessThanOrEqual(3);
    expect(await viewOf(mission)).toMatchObject({ status: 'scheduled' });
  });
});

describe('a mission that changes while it is being planned', () => {
  it('re-scheduled: gets the iteration, and the time that the person set stands', async () => {
    const mission = await missionInFlight();
    const nextRunAt = '2031-05-05T05:05:00.000Z';
    await new Device(postgres, mission).write({ nextRunAt });
    mission.open();
    const [row] = await untilRows(mission, 1);
    expect(row?.data.iterations).toHaveLength(1);
    expect(row?.data).not.toHaveProperty('nextRunAt');
    await settle();
    expect(await viewOf(mission)).toMatchObject({ nextRunAt, status: 'scheduled' });
    expect(await runnerRows(postgres, mission.userId, 'm')).toHaveLength(1);
  });

  it('given another cadence: gets the iteration and its next time by the new cadence', async () => {
    const mission = await missionInFlight();
    await new Device(postgres, mission).write({ cadence: { kind: 'interval', everyMinutes: 30 } });
    mission.open();
    await waitFor(
      async () => ((await idsOf(mission)).length === 1 ? true : undefined),
      'the iteration',
    );
    await settle();
    const next = Date.parse((await viewOf(mission))?.nextRunAt ?? '');
    expect(next).toBeGreaterThan(Date.now());
    expect(next).toBeLessThan(Date.now() + 36 * 60_000);
    const iterations = (await runnerRows(postgres, mission.userId, 'm')).filter(
      ({ data }) => data.iterations,
    );
    expect(iterations).toHaveLength(1);
  });

  it('paused and resumed with its old time: the plan that was paid for is not paid for again, and it moves on', async () => {
    const mission = await missionInFlight();
    const device = new Device(postgres, mission);
    await device.write({ state: 'paused' });
    mission.open();
    await untilRows(mission, 1);
    await settle();
    const calls = llm.requests.length;
    await device.write({ state: 'active' });
    await waitFor(
      async () =>
        Date.parse((await viewOf(mission))?.nextRunAt ?? '') > Date.now() ? true : undefined,
      'the next time',
    );
    await settle();
    expect(llm.requests).toHaveLength(calls);
    expect(await idsOf(mission)).toHaveLength(1);
  });
});

describe('a browser tab', () => {
  it('that begins the mission while it waits for the LLM keeps the runner away, and its own run counts', async () => {
    const mission = await plannedMission();
    const device = new Device(postgres, mission);
    await device.pull();
    const startedAt = new Date().toISOString();
    const running = { id: 'tab', source: 'browser', overallStatus: 'running', startedAt, plan: [] };
    await device.write({ nextRunAt: PAST, iterations: [...device.iterations, running] });
    await waitFor(
      async () => ((await viewOf(mission))?.reason === 'foreground-running' ? true : undefined),
      'the runner to wait',
    );
    const nextRunAt = '2031-01-01T09:00:00.000Z';
    await device.write({
      nextRunAt,
      iterations: [...device.iterations, { ...running, overallStatus: 'approved' }],
    });
    await waitFor(
      async () => ((await viewOf(mission))?.nextRunAt === nextRunAt ? true : undefined),
      'the next time',
    );
    await settle();
    expect(await idsOf(mission)).toEqual([mission.ours, 'tab']);
    expect(await runnerRows(postgres, mission.userId, 'm')).toHaveLength(1);
  });
});
