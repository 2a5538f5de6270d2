import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { parseAgent, resolvePolicy } from '../../../src/missions/agent.ts';
import { parseMission } from '../../../src/missions/mission.ts';
import { missionStatus } from '../../../src/missions/status.ts';
import { type ChangeRow, parseChangeRow } from '../../../src/sync/change-row.ts';
import { buildDeviceRow, type DeviceCommand } from '../../../src/sync/device-rows.ts';
import {
  applyRow,
  isAlive,
  mergeRows,
  readRecord,
  type RecordState,
  register,
} from '../../../src/sync/merge.ts';
import { insertChange } from '../../../src/sync/queries.ts';
import { repairRow } from '../../../src/sync/repair.ts';
import {
  buildIterationRow,
  buildRescheduleRow,
  runIdentity,
  toRow,
} from '../../../src/sync/write-back.ts';
import { AppDevice, folded } from './fold.ts';
import { at, row, uuid } from './rows.ts';

/** The day of these rows; `clock('12:00')` as devices write it. */
const clock = (time: string): string =>
  `2026-11-28T${time.length === 5 ? `${time}:00` : time}.000Z`;
const micros = (time: string): string => clock(time).replace('Z', '000Z');

/** A mission as the app's store makes it: its stamps stand in the data, `field_meta` is empty. */
function appInsert(data: Record<string, unknown> = {}, parts: Partial<ChangeRow> = {}): ChangeRow {
  const createdAt = (data['createdAt'] ?? clock('10:00')) as string;
  return row(1, {
    op: 'insert',
    data: {
      id: 'm1',
      userId: 'u1',
      spaceId: '_personal:u1',
      title: 'Plan my week',
      objective: 'Keep the inbox small',
      conceptMarkdown: '',
      state: 'active',
      cadence: { kind: 'daily', atHour: 9, atMinute: 0 },
      nextRunAt: clock('09:00'),
      inputs: [],
      iterations: [],
      updatedAt: createdAt,
      createdAt,
      ...data,
    },
    createdAt: micros('12:00'),
    spaceId: '_personal:u1',
    ...parts,
  });
}

/** An update as mana-sync stores it: each field with the stamp of its device. */
function appUpdate(
  n: number,
  stamp: string,
  data: Record<string, unknown>,
  parts: Partial<ChangeRow> = {},
): ChangeRow {
  return row(n, {
    data,
    fieldMeta: Object.fromEntries(Object.keys(data).map((field) => [field, clock(stamp)])),
    createdAt: micros('12:00'),
    ...parts,
  });
}

const read = (...rows: ChangeRow[]) => readRecord(mergeRows(rows), 'm1');
const missionOf = (...rows: ChangeRow[]) => parseMission(read(...rows));

async function commanded(
  rows: readonly ChangeRow[],
  command: DeviceCommand,
  now: string,
  n = 90,
): Promise<ChangeRow> {
  const write = await buildDeviceRow(
    {
      userId: 'u1',
      missionId: 'm1',
      rowId: uuid(n),
      state: rows.length === 0 ? null : mergeRows(rows),
      nowMs: Date.parse(clock(now)),
      defaultZone: 'UTC',
    },
    command,
  );
  if (!write.ok || write.row === null) throw new Error(JSON.stringify(write));
  return toRow(write.row, micros(now));
}

const agent = (...rows: ChangeRow[]) => parseAgent(readRecord(mergeRows(rows), 'a1'));

const rawRow = (iterations: string) => ({
  id: uuid(1),
  table_name: 'aiMissions',
  record_id: 'm1',
  op: 'insert',
  data: `{"state": "active", "nextRunAt": "${clock('09:00')}", "iterations": ${iterations}}`,
  field_meta: '{}',
  client_id: 'phone',
  created_at: micros('12:00'),
  schema_version: '1',
  actor: null,
  origin: 'user',
  space_id: null,
});

const step = (status: string, more: Record<string, unknown> = {}) => ({
  id: 'i1-1',
  summary: 'S',
  status,
  ...more,
});
const iteration = (status: string, overallStatus: string, more = {}) => ({
  id: 'i1',
  source: 'server',
  startedAt: clock('09:00'),
  overallStatus,
  plan: [step(status, more)],
});
const arrayOf = (n: number, stamp: string, item: unknown, clientId = 'phone') =>
  appUpdate(n, stamp, { iterations: [item] }, { clientId });
const outcome = (...rows: ChangeRow[]) =>
  (read(...rows)['iterations'] as { overallStatus: string; plan: { status: string }[] }[])[0]!;

const stepsIn = (value: unknown) =>
  (
    (value ?? []) as { id: string; plan: { id: string; status: string; reopened: unknown }[] }[]
  ).flatMap((item) => item.plan.map((one) => ({ ...one, key: `${item.id} ${one.id}` })));

/** Rows come in the order of the log; `skewMs` is the clock of the phone. */
async function history(
  acts: readonly { do: string; hour: number }[],
  skewMs: number,
): Promise<ChangeRow[]> {
  const rows: ChangeRow[] = [appInsert({ createdAt: clock('11:00'), updatedAt: clock('11:00') })];
  for (const [index, { do: kind, hour: atHour }] of acts.entries()) {
    const n = index + 2;
    const nowMs = Date.parse(clock('12:00')) + n * 60_000;
    const now = new Date(nowMs).toISOString().slice(11, 19);
    const phone = (data: Record<string, unknown>) => {
      const stamp = new Date(nowMs + skewMs).toISOString();
      rows.push(
        row(n, {
          data,
          fieldMeta: Object.fromEntries(Object.keys(data).map((field) => [field, stamp])),
          createdAt: micros(now),
        }),
      );
    };
    const api = async (command: DeviceCommand) => {
      const state = mergeRows(rows);
      const write = await buildDeviceRow(
        { userId: 'u1', missionId: 'm1', rowId: uuid(n), state, nowMs, defaultZone: 'UTC' },
        command,
      );
      if (write.ok && write.row !== null) rows.push(toRow(write.row, micros(now)));
    };
    if (kind === 'device-hour')
      phone({ 'cadence.atHour': atHour, inputs: [], iterations: read(...rows)['iterations'] });
    if (kind === 'device-pause') phone({ state: atHour % 2 === 0 ? 'paused' : 'active' });
    if (kind === 'api-cadence')
      await api({ kind: 'change', fields: { cadence: { kind: 'daily', atHour, atMinute: 15 } } });
    if (kind === 'api-kind')
      await api({
        kind: 'change',
        fields: { cadence: { kind: 'interval', everyMinutes: atHour + 1 } },
      });
    if (kind === 'api-grant') {
      const grant =
        atHour % 3 === 0
          ? null
          : { token: `t${atHour}`, grantId: 'g', records: [`notes:n${atHour}`] };
      await api({ kind: 'change', fields: { grant } });
    }
    if (kind === 'delete') await api({ kind: 'delete' });
    if (kind === 'undo') phone({ deletedAt: null });
    if (kind === 'run') await api({ kind: 'run' });
  }
  return rows;
}

describe('parts of objects', () => {
  it('a changed hour moves the mission: cadence.atHour', () => {
    const rows = [appInsert(), appUpdate(2, '10:05', { 'cadence.atHour': 18 })];
    expect(read(...rows)['cadence']).toEqual({ kind: 'daily', atHour: 18, atMinute: 0 });
    const state = mergeRows(rows);
    const moved = buildRescheduleRow({
      userId: 'u1',
      missionId: 'm1',
      state,
      nowMs: Date.parse(clock('12:01')),
      nextRunAt: clock('18:00'),
    });
    expect(moved?.data).toEqual({ nextRunAt: clock('18:00') });
  });

  it('a mission that becomes manual: cadence.kind', () => {
    const rows = [
      appInsert(),
      appUpdate(2, '10:05', {
        'cadence.kind': 'manual',
        'cadence.atHour': null,
        'cadence.atMinute': null,
      }),
    ];
    expect(missionOf(...rows).cadence).toEqual({ ok: true, cadence: { kind: 'manual' } });
    expect(
      missionOf(appInsert(), appUpdate(2, '10:05', { 'cadence.kind': 'manual' })).cadence,
    ).toEqual({
      ok: true,
      cadence: { kind: 'manual' },
    });
  });

  it('a tool that is denied is denied, and one that is allowed again has no entry left', () => {
    const insert = appInsert({
      policy: { tools: { complete_task: 'auto' }, defaultForAi: 'propose' },
    });
    const denied = appUpdate(2, '10:05', { 'policy.tools.complete_tasks_by_title': 'deny' });
    const { policy } = agent(insert, denied);
    expect(resolvePolicy(policy, { name: 'complete_tasks_by_title', module: 'todo' })).toBe('deny');
    expect(resolvePolicy(policy, { name: 'complete_task', module: 'todo' })).toBe('auto');
    const removed = appUpdate(3, '10:06', { 'policy.tools.complete_tasks_by_title': null });
    const after = agent(insert, denied, removed);
    expect(resolvePolicy(after.policy, { name: 'complete_tasks_by_title', module: 'todo' })).toBe(
      'propose',
    );
    expect(after.ignoredFields).toEqual([]);
  });

  it('a renewed grant is the new one: grant.token', () => {
    const grant = { token: 'old', grantId: 'g1', expiresAt: clock('11:00'), records: ['notes:n1'] };
    const renewed = appUpdate(2, '10:30', {
      'grant.token': 'new',
      'grant.grantId': 'g2',
      'grant.expiresAt': clock('20:00'),
      'grant.records': ['notes:n1'],
    });
    expect(read(appInsert({ grant }), renewed)['grant']).toEqual({
      token: 'new',
      grantId: 'g2',
      expiresAt: clock('20:00'),
      records: ['notes:n1'],
    });
  });

  it('an older part does not come back over a later whole value, a later one does', () => {
    const whole = appUpdate(2, '10:10', { cadence: { kind: 'daily', atHour: 11, atMinute: 15 } });
    const older = appUpdate(3, '10:05', { 'cadence.atHour': 17 });
    const later = appUpdate(4, '10:15', { 'cadence.atMinute': 45 });
    expect(read(appInsert(), whole, older)['cadence']).toMatchObject({ atHour: 11, atMinute: 15 });
    expect(read(later, older, whole, appInsert())['cadence']).toMatchObject({
      atHour: 11,
      atMinute: 45,
    });
  });

  it('a path through what is no object makes one, a path to a prototype is nothing', () => {
    expect(read(row(1, { data: { a: 5 } }), row(2, { data: { 'a.b.c': 1 } }))['a']).toEqual({
      b: { c: 1 },
    });
    const data = JSON.parse(
      '{"a.__proto__.x":1,"constructor.y":1,"b.prototype":1,"id.z":1,"a.ok":1}',
    );
    expect(read(row(1, { data }))).toEqual({ id: 'm1', a: { ok: 1 } });
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
    const deep = Array.from({ length: 5_000 }, () => 'a').join('.');
    expect(read(row(1, { data: { [deep]: 1, b: 2 } }))).toEqual({ id: 'm1', b: 2 });
  });
});

describe('stamps of inserts', () => {
  it('an edit that was made before the insert was pushed counts', () => {
    const edited = appUpdate(2, '10:05', { title: 'Edited', state: 'paused' });
    expect(read(appInsert(), edited)).toMatchObject({ title: 'Edited', state: 'paused' });
    const undated = appInsert({ updatedAt: undefined, createdAt: clock('10:00') });
    expect(read(undated, edited)['title']).toBe('Edited');
  });

  it('an insert without a date counts from its arrival', () => {
    const { updatedAt: _u, createdAt: _c, ...data } = appInsert().data as Record<string, unknown>;
    const bare = appInsert({}, { data });
    expect(read(bare, appUpdate(2, '10:05', { title: 'Edited' }))['title']).toBe('Plan my week');
    const broken = appInsert(
      {},
      { data: { ...data, updatedAt: 'soon', createdAt: clock('10:00') } },
    );
    expect(read(broken, appUpdate(2, '10:05', { title: 'Edited' }))['title']).toBe('Edited');
  });

  it('what we write over it is stamped five seconds later, since its own device stamped it by its clock', () => {
    const state = mergeRows([
      appInsert({ createdAt: clock('11:59:59'), updatedAt: clock('11:59:59') }),
    ]);
    const due = register(state, 'nextRunAt')!;
    const ours = buildIterationRow({
      userId: 'u1',
      missionId: 'm1',
      state,
      identity: runIdentity({ userId: 'u1', missionId: 'm1', nextRunAt: due }),
      dueRegister: due,
      iteration: { id: 'i1' },
      nextRunAt: null,
      nowMs: Date.parse(clock('12:00')),
      actor: {},
    })!;
    expect(ours.fieldMeta).toEqual({ iterations: clock('12:00:04'), nextRunAt: clock('12:00:04') });
  });

  it('what we insert carries its dates, its id, its person and its space, equal to its stamps', async () => {
    const made = await commanded([], { kind: 'create', fields: { objective: 'O' } }, '10:00');
    const stamp = clock('10:00');
    expect(made).toMatchObject({
      spaceId: '_personal:u1',
      data: { id: 'm1', userId: 'u1', spaceId: '_personal:u1', createdAt: stamp, updatedAt: stamp },
    });
    const stamps = new Set(Object.values(made.fieldMeta as Record<string, string>));
    expect(stamps).toEqual(new Set([stamp]));
  });

  it('created and run within a second: one iteration, on us and on every device', async () => {
    const made = await commanded([], { kind: 'create', fields: { objective: 'O' } }, '10:00', 1);
    const asked = await commanded([made], { kind: 'run' }, '10:00', 2);
    const state = mergeRows([made, asked]);
    const due = register(state, 'nextRunAt')!;
    const identity = runIdentity({ userId: 'u1', missionId: 'm1', nextRunAt: due });
    const ours = buildIterationRow({
      userId: 'u1',
      missionId: 'm1',
      state,
      identity,
      dueRegister: due,
      iteration: { id: identity.iterationId },
      nextRunAt: null,
      nowMs: Date.parse(clock('10:00')),
      actor: {},
    })!;
    const rows = [made, asked, toRow(ours, micros('10:00:01'))];
    const device = new AppDevice();
    for (const one of rows) device.apply(one, clock('10:00:02'));
    for (const record of [read(...rows), device.record!])
      expect(record).toMatchObject({ iterations: [{ id: identity.iterationId }], nextRunAt: null });
  });
});

describe('deletes', () => {
  it('a deletion of ours says when, so that devices keep the record and an undo brings it back', async () => {
    const gone = await commanded([appInsert()], { kind: 'delete' }, '12:30', 2);
    expect(gone).toMatchObject({ op: 'delete', data: { deletedAt: clock('12:30') } });
    expect(isAlive(mergeRows([appInsert(), gone]))).toBe(false);
    const undone = appUpdate(3, '12:31', { deletedAt: null });
    expect(isAlive(mergeRows([appInsert(), gone, undone]))).toBe(true);
    expect(isAlive(mergeRows([appInsert(), undone, gone].toReversed()))).toBe(true);
  });

  it('a task that was made and undone is there', () => {
    const gone = row(2, {
      op: 'delete',
      data: { deletedAt: clock('12:10') },
      createdAt: micros('12:10'),
    });
    const undone = appUpdate(3, '12:11', { deletedAt: null });
    expect(isAlive(mergeRows([appInsert(), gone]))).toBe(false);
    expect(isAlive(mergeRows([appInsert(), gone, undone]))).toBe(true);
  });

  it('a mission made anew takes over neither the grant nor the agent of the one that was deleted', async () => {
    const first = appInsert({ grant: { token: 't' }, agentId: 'a1', customs: 1 });
    const gone = await commanded([first], { kind: 'delete' }, '12:30', 2);
    const again = await commanded(
      [first, gone],
      { kind: 'create', fields: { objective: 'O' } },
      '12:40',
      3,
    );
    expect(read(first, gone, again)).toMatchObject({
      grant: null,
      agentId: null,
      customs: null,
      objective: 'O',
    });
    expect(isAlive(mergeRows([first, gone, again]))).toBe(true);
  });
});

describe('edits of an object that stands', () => {
  it('are parts: 11:15 here and 17 there is 17:15, for us and for the device', async () => {
    const cadence = { kind: 'daily', atHour: 11, atMinute: 15 } as const;
    const first = appInsert();
    const ours = await commanded([first], { kind: 'change', fields: { cadence } }, '12:30', 2);
    expect(ours.data).toMatchObject({ 'cadence.atHour': 11, 'cadence.atMinute': 15 });
    const theirs = appUpdate(3, '12:40', { 'cadence.atHour': 17 }, { createdAt: micros('12:40') });
    const device = new AppDevice();
    for (const one of [first, ours, theirs]) device.apply(one, clock('13:00'));
    for (const record of [read(first, ours, theirs), device.record!])
      expect(record['cadence']).toEqual({ kind: 'daily', atHour: 17, atMinute: 15 });
  });

  it('removed keys are null, a key that no path can name is written with the object around it', async () => {
    const interval = { kind: 'interval', everyMinutes: 30 } as const;
    const changed = await commanded(
      [appInsert()],
      { kind: 'change', fields: { cadence: interval } },
      '12:30',
      2,
    );
    expect(changed.data).toMatchObject({
      'cadence.kind': 'interval',
      'cadence.everyMinutes': 30,
      'cadence.atHour': null,
      'cadence.atMinute': null,
    });
    const odd = appInsert({ grant: { token: 'a', 'x.y': 1 } });
    const grant = { token: 'b', 'x.y': 1 };
    const whole = await commanded([odd], { kind: 'change', fields: { grant } }, '12:30', 2);
    expect(whole.data).toEqual({ grant });
    const none = await commanded([odd], { kind: 'change', fields: { grant: null } }, '12:30', 2);
    expect(none.data).toEqual({ grant: null });
  });
});

describe('numbers', () => {
  it.each([
    '12345678901234567890',
    '9007199254740993',
    '-0.12345678901234567',
    '100000000000000000000000.5',
    `1${'0'.repeat(400)}`,
  ])('%s in what others wrote is written back as it is', (number) => {
    const change = parseChangeRow(
      rawRow(`[{"id": "i1", "amount": ${number}, "safe": [1.10, 25]}]`),
    );
    // The store of the object keeps the state as JSON text.
    const { state } = applyRow(null, change);
    const due = register(state, 'nextRunAt')!;
    const ours = buildIterationRow({
      userId: 'u1',
      missionId: 'm1',
      state,
      identity: runIdentity({ userId: 'u1', missionId: 'm1', nextRunAt: due }),
      dueRegister: due,
      iteration: { id: 'i2' },
      nextRunAt: null,
      nowMs: Date.parse(clock('12:00')),
      actor: {},
    })!;
    const text = String(insertChange(ours).values[6]);
    expect(text).toContain(`"amount":${number},`);
    expect(text).toContain('"safe":[1.1,25]');
  });
});

describe('a tab at work', () => {
  it('an iteration that names no source is a browser', () => {
    const running = { id: 'i1', overallStatus: 'running', startedAt: clock('11:58') };
    const mission = missionOf(appInsert({ iterations: [running] }));
    expect(
      missionStatus({ mission, agent: null, nowMs: Date.parse(clock('12:00')) }),
    ).toMatchObject({
      status: 'waiting',
      reason: 'foreground-running',
    });
  });

  it("a grant of the app's own form waits, also where the texts are plain", () => {
    const mission = missionOf(appInsert({ grant: { wrappedKey: 'x', derivation: { scope: [] } } }));
    expect(
      missionStatus({ mission, agent: null, nowMs: Date.parse(clock('12:00')) }),
    ).toMatchObject({
      status: 'waiting',
      reason: 'grant-missing',
    });
  });

  it('a mission that says nothing is not planned', () => {
    const mission = missionOf(appInsert({ title: '', objective: ' ', conceptMarkdown: '' }));
    expect(missionStatus({ mission, agent: null, nowMs: Date.parse(clock('12:00')) })).toEqual({
      status: 'idle',
      reason: 'invalid-state',
      dueAtMs: null,
    });
  });
});

describe('outcomes', () => {
  test.each(['approved', 'failed', 'skipped'])(
    'a step that a device with a slow clock carried out (%s) stays carried out',
    (status) => {
      const planned = arrayOf(
        2,
        '11:00',
        iteration('planned', 'awaiting-review'),
        'mana-ai-runner',
      );
      const done = arrayOf(3, '10:00', iteration(status, 'approved'));
      const rows = [appInsert(), planned, done];
      expect(outcome(...rows).plan[0]!.status).toBe(status);
      expect(outcome(...rows).overallStatus).toBe(status === 'failed' ? 'failed' : 'approved');
      const repair = repairRow({
        userId: 'u1',
        missionId: 'm1',
        state: mergeRows(rows),
        rows,
        nowMs: Date.parse(clock('12:00')),
      })!;
      const device = new AppDevice();
      for (const one of [...rows, toRow(repair, micros('12:00'))])
        device.apply(one, clock('12:01'));
      expect(device.record).toMatchObject({ iterations: [{ plan: [{ status }] }] });
    },
  );

  it('what was carried out beats what was rejected, and a rejection beats an old array', () => {
    const rejected = arrayOf(2, '11:00', iteration('rejected', 'rejected'), 'mana-edge-api');
    const old = arrayOf(3, '11:30', iteration('planned', 'awaiting-review'));
    expect(outcome(appInsert(), rejected, old)).toMatchObject({ overallStatus: 'rejected' });
    const done = arrayOf(4, '10:00', iteration('approved', 'approved'));
    expect(outcome(appInsert(), rejected, old, done).plan[0]!.status).toBe('approved');
  });

  it('a rejection that the person took back is open again, whatever array comes late', () => {
    const rejected = arrayOf(2, '11:00', iteration('rejected', 'rejected'), 'mana-edge-api');
    const reopened = arrayOf(
      3,
      '11:10',
      iteration('planned', 'awaiting-review', { reopened: 1 }),
      'mana-edge-api',
    );
    const late = arrayOf(4, '11:20', iteration('rejected', 'rejected'));
    expect(outcome(appInsert(), rejected, reopened, late)).toMatchObject({
      overallStatus: 'awaiting-review',
      plan: [{ status: 'planned', reopened: 1 }],
    });
    const again = arrayOf(
      5,
      '11:30',
      iteration('rejected', 'rejected', { reopened: 1 }),
      'mana-edge-api',
    );
    expect(outcome(appInsert(), rejected, reopened, late, again).plan[0]!.status).toBe('rejected');
  });
});

describe('merging, by a second way', () => {
  const stamps = fc.constantFrom(at(1), at(2), at(3), '2026-01-01T12:00:02+02:00', 'x', '');
  const values = fc.oneof(
    fc.constantFrom(null, 1, 'text'),
    fc.constant([1, { b: 2 }]),
    fc.dictionary(
      fc.constantFrom('b', 'c'),
      fc.oneof(fc.constantFrom(1, null), fc.constant({ d: 1 })),
    ),
  );
  const fields = fc.constantFrom(
    'a',
    'a.b',
    'a.b.c',
    'a.b.d',
    'a.c',
    'z',
    'deletedAt',
    'a.__proto__.x',
    '__p',
    'id',
  );
  const rows = fc
    .array(
      fc.record({
        op: fc.constantFrom(
          'insert' as const,
          'update' as const,
          'update' as const,
          'delete' as const,
        ),
        data: fc.oneof(
          { weight: 8, arbitrary: fc.dictionary(fields, values) },
          { weight: 2, arbitrary: fc.record({ updatedAt: stamps, createdAt: stamps, a: values }) },
          { weight: 2, arbitrary: fc.record({ deletedAt: stamps }) },
          { weight: 1, arbitrary: fc.constant(null) },
        ),
        fieldMeta: fc.dictionary(fc.oneof(fields, fc.constant('__deleted')), stamps),
        createdAt: fc.constantFrom(at(1), at(2), at(3)),
        schemaVersion: fc.constantFrom(1, 1, 1, 2),
      }),
      { maxLength: 10 },
    )
    .map((parts) => parts.map((part, n) => row(n, { ...part, id: uuid((n * 7) % 13) })));

  it('any order and repetition of whole values, parts and deletes gives the record that the fold gives', () => {
    const shuffled = rows.chain((list) =>
      fc.tuple(
        fc.constant(list),
        fc.shuffledSubarray([...list, ...list], { minLength: list.length * 2 }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([list, permuted]) => {
        const state = mergeRows(permuted);
        expect(state).toEqual(mergeRows(list));
        const expected = folded(list);
        expect(isAlive(state)).toBe(expected !== null);
        if (expected === null) return;
        const { id: _, ...record } = readRecord(state, 'm1');
        expect(record).toEqual(expected);
      }),
      { numRuns: 3000 },
    );
  });

  const statuses = fc.constantFrom(
    'planned',
    'staged',
    'rejected',
    'approved',
    'failed',
    'skipped',
  );
  const plans = fc.array(
    fc.record({
      id: fc.constantFrom('i1', 'i2', '__proto__'),
      startedAt: fc.constantFrom(at(1), at(2)),
      overallStatus: fc.constantFrom('running', 'awaiting-review', 'rejected'),
      plan: fc.array(
        fc.record({
          id: fc.constantFrom('s1', 's2', 'constructor'),
          status: statuses,
          reopened: fc.constantFrom(0, 1, 'x'),
        }),
        { maxLength: 2 },
      ),
    }),
    { maxLength: 3 },
  );
  const arrays = fc
    .array(
      fc.record({ iterations: plans, stamp: stamps, created: fc.constantFrom(at(1), at(2)) }),
      { maxLength: 8 },
    )
    .map((list) =>
      list.map(({ iterations, stamp, created }, n) =>
        row(n, { data: { iterations }, fieldMeta: { iterations: stamp }, createdAt: created }),
      ),
    );

  it('arrays in any order give one record, and no step of it is behind its furthest fate', () => {
    const places: Record<string, number> = { rejected: 1, skipped: 2, failed: 2, approved: 2 };
    fc.assert(
      fc.property(
        arrays.chain((list) =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
        ),
        ([list, permuted]) => {
          let state: RecordState | null = null;
          for (const one of permuted)
            state = JSON.parse(JSON.stringify(applyRow(state, one).state));
          const straight = mergeRows(list);
          expect(state ?? mergeRows([])).toEqual(JSON.parse(JSON.stringify(straight)));
          const all = list.flatMap((one) =>
            stepsIn((one.data as { iterations: unknown }).iterations),
          );
          for (const { key, status } of stepsIn(readRecord(straight, 'm1')['iterations'])) {
            const carriedOut = all.some((one) => one.key === key && places[one.status] === 2);
            if (carriedOut) expect(places[status]).toBe(2);
            const reopened = all.some((one) => one.key === key && one.reopened === 1);
            const rejected = all.some((one) => one.key === key && places[one.status] === 1);
            if (rejected && !reopened) expect(places[status] ?? 0).toBeGreaterThanOrEqual(1);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('a device of the app and the runner', () => {
  const hour = fc.nat({ max: 23 });
  const act = fc.oneof(
    fc.record({ do: fc.constant('device-hour' as const), hour }),
    fc.record({ do: fc.constant('device-pause' as const), hour }),
    fc.record({ do: fc.constant('api-cadence' as const), hour }),
    fc.record({ do: fc.constant('api-kind' as const), hour }),
    fc.record({ do: fc.constant('api-grant' as const), hour }),
    fc.record({ do: fc.constant('delete' as const), hour }),
    fc.record({ do: fc.constant('undo' as const), hour }),
    fc.record({ do: fc.constant('run' as const), hour }),
  );

  it('have the same record, whatever both write and whatever the clock of the device says', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { maxLength: 12 }),
        fc.constantFrom(0, 3_600_000, -30_000, 2_500),
        async (acts, skewMs) => {
          const rows = await history(acts, skewMs);
          const device = new AppDevice();
          for (const one of rows) device.apply(one, clock('23:00'));
          const state = mergeRows(rows);
          expect(device.isAlive()).toBe(isAlive(state));
          const { id: _, ...record } = readRecord(state, 'm1');
          expect({ ...device.record, id: undefined }).toEqual({ ...record, id: undefined });
        },
      ),
      { numRuns: 1500 },
    );
  });
});
