import { describe, expect, test } from 'vitest';
import type { Cadence } from '../../../src/missions/cadence.ts';
import { stepDigest } from '../../../src/missions/step-digest.ts';
import type { DeviceChangeRow } from '../../../src/sync/change-row.ts';
import {
  buildDeviceRow,
  type DeviceCommand,
  type DeviceContext,
  newMissionId,
  requestRowId,
} from '../../../src/sync/device-rows.ts';
import { applyRow, isAlive, readRecord, type RecordState } from '../../../src/sync/merge.ts';
import { toRow } from '../../../src/sync/write-back.ts';

const NOW = Date.UTC(2027, 0, 4, 12);
const ROW_ID = '00000000-0000-4000-8000-000000000001';
const STEP = {
  id: 'i1-1',
  summary: 'Create task "Buy milk"',
  status: 'planned',
  intent: { kind: 'toolCall', toolName: 'create_task', params: { title: 'Buy milk' } },
};
const NOTE = {
  id: 'i1-2',
  summary: 'A note',
  status: 'planned',
  intent: { kind: 'note', body: 'Hi' },
};

function context(state: RecordState | null, changes: Partial<DeviceContext> = {}): DeviceContext {
  return {
    userId: 'u1',
    missionId: 'm1',
    rowId: ROW_ID,
    state,
    nowMs: NOW,
    defaultZone: 'UTC',
    ...changes,
  };
}

/** A record as it stands after a device wrote these fields. */
function stateOf(fields: Record<string, unknown>, stampMs = NOW - 1_000): RecordState {
  const stamp = new Date(stampMs).toISOString();
  return applyRow(null, {
    id: '00000000-0000-4000-8000-00000000000a',
    tableName: 'aiMissions',
    recordId: 'm1',
    op: 'insert',
    data: fields,
    fieldMeta: Object.fromEntries(Object.keys(fields).map((name) => [name, stamp])),
    clientId: 'phone',
    createdAt: '2027-01-04T11:59:59.000000Z',
    schemaVersion: 1,
    actor: null,
    origin: 'user',
    spaceId: 'space-1',
  }).state;
}

async function rowOf(state: RecordState | null, command: DeviceCommand): Promise<DeviceChangeRow> {
  const write = await buildDeviceRow(context(state), command);
  if (!write.ok || write.row === null) throw new Error(`no row: ${JSON.stringify(write)}`);
  return write.row;
}

async function after(state: RecordState | null, command: DeviceCommand): Promise<RecordState> {
  return applyRow(state, toRow(await rowOf(state, command), '2027-01-04T12:00:00.000000Z')).state;
}

const ACTIVE = {
  title: 'T',
  objective: 'O',
  state: 'active',
  cadence: { kind: 'daily', atHour: 9, atMinute: 0 },
  nextRunAt: '2027-01-05T09:00:00.000Z',
  iterations: [
    { id: 'i1', source: 'server', overallStatus: 'awaiting-review', plan: [STEP, NOTE] },
  ],
};

describe('a row of the device API', () => {
  test('is written as a device would: client, origin, actor, the space of the mission, text stamps alone', async () => {
    const row = await rowOf(stateOf(ACTIVE), { kind: 'change', fields: { title: 'New' } });
    expect(row).toMatchObject({
      id: ROW_ID,
      appId: 'ai',
      tableName: 'aiMissions',
      recordId: 'm1',
      userId: 'u1',
      op: 'update',
      clientId: 'mana-edge-api',
      origin: 'user',
      spaceId: 'space-1',
      actor: { kind: 'user', principalId: 'u1' },
      data: { title: 'New' },
      fieldMeta: { title: new Date(NOW).toISOString() },
    });
  });

  test('wins over a device whose clock runs two hours ahead', async () => {
    const ahead = stateOf(ACTIVE, NOW + 7_200_000);
    for (const command of [
      { kind: 'change', fields: { title: 'New' } },
      { kind: 'pause' },
    ] as const) {
      const record = readRecord(await after(ahead, command), 'm1');
      expect([record['title'], record['state']]).toEqual(
        command.kind === 'pause' ? ['T', 'paused'] : ['New', 'active'],
      );
    }
    expect(isAlive(await after(ahead, { kind: 'delete' }))).toBe(false);
  });

  test('writes only what differs, and nothing where nothing does', async () => {
    const same = { title: 'T', cadence: { atMinute: 0, atHour: 9, kind: 'daily' } } as const;
    expect(
      await buildDeviceRow(context(stateOf(ACTIVE)), { kind: 'change', fields: same }),
    ).toEqual({
      ok: true,
      row: null,
    });
    const row = await rowOf(stateOf(ACTIVE), {
      kind: 'change',
      fields: { ...same, objective: 'Else' },
    });
    expect(row.data).toEqual({ objective: 'Else' });
  });
});

const zoned = async (cadence: Cadence): Promise<unknown> => {
  const write = await buildDeviceRow(context(null, { toldZone: 'Asia/Tokyo' }), {
    kind: 'create',
    fields: { objective: 'O', cadence },
  });
  return write.ok && write.row?.data;
};

describe('create', () => {
  test('inserts a whole mission with the first time of its cadence', async () => {
    const fields = {
      title: 'T',
      objective: 'O',
      cadence: { kind: 'daily', atHour: 9, atMinute: 0 },
    } as const;
    const row = await rowOf(null, { kind: 'create', fields });
    expect(row.op).toBe('insert');
    expect(row.data).toMatchObject({
      ...fields,
      state: 'active',
      inputs: [],
      iterations: [],
      nextRunAt: '2027-01-05T09:00:00.000Z',
    });
    expect(isAlive(applyRow(null, toRow(row, '2027-01-04T12:00:00.000000Z')).state)).toBe(true);
  });

  test("says in the cadence which clock is meant, where the person's zone is known and no other is named", async () => {
    const daily = { kind: 'daily', atHour: 9, atMinute: 0 } as const;
    expect(await zoned(daily)).toMatchObject({
      cadence: { ...daily, timeZone: 'Asia/Tokyo' },
      nextRunAt: '2027-01-05T00:00:00.000Z',
    });
    const elsewhere = { ...daily, timeZone: 'Europe/Berlin' };
    expect(await zoned(elsewhere)).toMatchObject({ cadence: elsewhere });
    const interval = { kind: 'interval', everyMinutes: 5 } as const;
    expect(await zoned(interval)).toMatchObject({ cadence: interval });
  });

  test('keeps a time that the person set, and null', async () => {
    for (const nextRunAt of ['2027-02-01T00:00:00Z', null]) {
      expect(
        (await rowOf(null, { kind: 'create', fields: { objective: 'O', nextRunAt } })).data[
          'nextRunAt'
        ],
      ).toBe(nextRunAt);
    }
  });

  test('is refused where the mission lives, and brings back one that was deleted either way', async () => {
    const alive = stateOf(ACTIVE);
    const create = { kind: 'create', fields: { objective: 'Again' } } as const;
    expect(await buildDeviceRow(context(alive), create)).toEqual({
      ok: false,
      refusal: { code: 'MISSION_EXISTS' },
    });
    for (const dead of [
      await after(alive, { kind: 'delete' }),
      stateOf({ ...ACTIVE, deletedAt: '2027-01-01' }),
    ]) {
      expect(isAlive(dead)).toBe(false);
      expect(isAlive(await after(dead, create))).toBe(true);
    }
  });
});

describe('the life of a mission', () => {
  test.each(['change', 'pause', 'resume', 'run', 'delete', 'review'] as const)(
    '%s wants a living mission',
    async (kind) => {
      const command = { kind, fields: {}, iterationId: 'i1', decisions: [] } as DeviceCommand;
      for (const state of [null, await after(stateOf(ACTIVE), { kind: 'delete' })]) {
        expect(await buildDeviceRow(context(state), command)).toEqual({
          ok: false,
          refusal: { code: 'MISSION_NOT_FOUND' },
        });
      }
    },
  );

  test('a new cadence brings its own next time in the same row, with the same stamp', async () => {
    const cadence = { kind: 'daily', atHour: 18, atMinute: 30 } as const;
    const row = await rowOf(stateOf(ACTIVE), { kind: 'change', fields: { cadence } });
    expect(row.data).toEqual({
      'cadence.atHour': 18,
      'cadence.atMinute': 30,
      nextRunAt: '2027-01-04T18:30:00.000Z',
    });
    expect(row.fieldMeta['cadence.atHour']).toBe(row.fieldMeta['nextRunAt']);
  });

  test('what a pause passed over is not run; a time still ahead stands', async () => {
    const missed = stateOf({ ...ACTIVE, state: 'paused', nextRunAt: '2027-01-01T09:00:00.000Z' });
    expect((await rowOf(missed, { kind: 'resume' })).data).toEqual({
      state: 'active',
      nextRunAt: '2027-01-05T09:00:00.000Z',
    });
    const ahead = stateOf({ ...ACTIVE, state: 'paused' });
    expect((await rowOf(ahead, { kind: 'resume' })).data).toEqual({ state: 'active' });
  });

  test('run makes it due now, once: what is due already is left alone, what is not active refused', async () => {
    expect((await rowOf(stateOf(ACTIVE), { kind: 'run' })).data).toEqual({
      nextRunAt: new Date(NOW).toISOString(),
    });
    const due = stateOf({ ...ACTIVE, nextRunAt: '2027-01-04T11:00:00.000Z' });
    expect(await buildDeviceRow(context(due), { kind: 'run' })).toEqual({ ok: true, row: null });
    const paused = stateOf({ ...ACTIVE, state: 'paused' });
    expect(await buildDeviceRow(context(paused), { kind: 'run' })).toEqual({
      ok: false,
      refusal: { code: 'MISSION_NOT_ACTIVE' },
    });
  });
});

const decide = async (
  ...wanted: [step: Record<string, unknown>, decision: 'approve' | 'reject'][]
) => ({
  kind: 'review' as const,
  iterationId: 'i1',
  decisions: await Promise.all(
    wanted.map(async ([step, decision]) => ({
      stepId: String(step['id']),
      digest: await stepDigest(step),
      decision,
    })),
  ),
});
const iterationOf = (state: RecordState) =>
  (
    readRecord(state, 'm1')['iterations'] as {
      overallStatus: string;
      userFeedback?: string;
      plan: { status: string }[];
    }[]
  )[0];

describe('review', () => {
  test('marks the steps, and the iteration once no step is open', async () => {
    const first = await after(stateOf(ACTIVE), await decide([STEP, 'approve']));
    expect(iterationOf(first)).toMatchObject({
      overallStatus: 'awaiting-review',
      plan: [{ status: 'approved' }, { status: 'planned' }],
    });
    const second = await after(first, {
      ...(await decide([NOTE, 'reject'])),
      feedback: 'No notes.',
    });
    expect(iterationOf(second)).toMatchObject({
      overallStatus: 'approved',
      userFeedback: 'No notes.',
      plan: [{ status: 'approved' }, { status: 'rejected' }],
    });
    const all = await after(stateOf(ACTIVE), await decide([STEP, 'reject'], [NOTE, 'reject']));
    expect(iterationOf(all)?.overallStatus).toBe('rejected');
  });

  test('a step that changed since is refused, and nothing of the review is written', async () => {
    const seen = await decide([NOTE, 'reject'], [STEP, 'approve']);
    const intent = { ...STEP.intent, params: { title: 'Buy a car' } };
    const changed = stateOf({
      ...ACTIVE,
      iterations: [{ ...ACTIVE.iterations[0], plan: [{ ...STEP, intent }, NOTE] }],
    });
    expect(await buildDeviceRow(context(changed), seen)).toEqual({
      ok: false,
      refusal: { code: 'STEP_CHANGED', stepId: 'i1-1' },
    });
  });

  test('the same decision again changes nothing, the opposite is refused', async () => {
    const state = await after(stateOf(ACTIVE), await decide([STEP, 'approve']));
    expect(await buildDeviceRow(context(state), await decide([STEP, 'approve']))).toEqual({
      ok: true,
      row: null,
    });
    expect(await buildDeviceRow(context(state), await decide([STEP, 'reject']))).toEqual({
      ok: false,
      refusal: { code: 'STEP_DECIDED', stepId: 'i1-1' },
    });
  });

  test('remarks are added to earlier ones; ciphertext replaces', async () => {
    const one = await after(stateOf(ACTIVE), {
      kind: 'review',
      iterationId: 'i1',
      decisions: [],
      feedback: 'One.',
    });
    const two = await after(one, {
      kind: 'review',
      iterationId: 'i1',
      decisions: [],
      feedback: 'Two.',
    });
    expect(iterationOf(two)?.userFeedback).toBe('One.\nTwo.');
    const sealed = await after(two, {
      kind: 'review',
      iterationId: 'i1',
      decisions: [],
      feedback: 'enc:2:1:x.y',
    });
    expect(iterationOf(sealed)?.userFeedback).toBe('enc:2:1:x.y');
  });

  test('unknown iterations and steps are named', async () => {
    const state = stateOf(ACTIVE);
    expect(
      await buildDeviceRow(context(state), { kind: 'review', iterationId: 'i9', decisions: [] }),
    ).toEqual({
      ok: false,
      refusal: { code: 'ITERATION_NOT_FOUND' },
    });
    const unknown = await decide([{ ...STEP, id: 'i1-9' }, 'approve']);
    expect(await buildDeviceRow(context(state), unknown)).toEqual({
      ok: false,
      refusal: { code: 'STEP_NOT_FOUND', stepId: 'i1-9' },
    });
  });
});

describe('a step digest', () => {
  test('is the same whatever the order of keys and the state of the step, and another for any other change', async () => {
    const digest = await stepDigest(STEP);
    expect(digest).toMatch(/^[\w-]{43}$/);
    const { id, summary, intent } = STEP;
    expect(
      await stepDigest({ intent, digest: 'x', status: 'approved', summary, proposalId: 'p', id }),
    ).toBe(digest);
    expect(await stepDigest({ ...STEP, rationale: 'Because.' })).not.toBe(digest);
    expect(await stepDigest({ ...STEP, summary: 'Other' })).not.toBe(digest);
  });
});

describe('a request that is repeated', () => {
  test('has the same row and mission ids, and others under another key, body, route or person', () => {
    const request = { userId: 'u1', route: 'create', body: { a: 1, b: 2 }, key: 'k' };
    const id = requestRowId(request);
    expect(requestRowId({ ...request, body: { b: 2, a: 1 } })).toBe(id);
    expect(newMissionId(id)).toBe(newMissionId(requestRowId(request)));
    const others = [{ key: 'l' }, { body: {} }, { route: 'change m1' }, { userId: 'u2' }];
    expect(
      new Set([id, ...others.map((other) => requestRowId({ ...request, ...other }))]).size,
    ).toBe(5);
  });
});
