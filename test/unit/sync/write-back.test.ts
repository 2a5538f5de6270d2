import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChangeRow } from '../../../src/sync/change-row.ts';
import { mergeRows, readRecord, type RecordState, register } from '../../../src/sync/merge.ts';
import { LATEST_US, parseStamp } from '../../../src/values/stamps.ts';
import {
  buildIterationRow,
  buildRescheduleRow,
  nextStamp,
  type RunIdentity,
  runIdentity,
  toRow,
} from '../../../src/sync/write-back.ts';
import { at, row } from './rows.ts';

const nowMs = Date.parse(at(100));
const uuidV5 = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const mission = (parts: Record<string, unknown> = {}, more: Partial<ChangeRow> = {}) =>
  row(1, {
    op: 'insert',
    data: { state: 'active', nextRunAt: at(50), ...parts },
    spaceId: 's1',
    ...more,
  });
const server = (id: string, parts: Record<string, unknown> = {}) => ({
  id,
  source: 'server',
  overallStatus: 'approved',
  ...parts,
});

type Parts = {
  due?: RecordState;
  nextRunAt?: string | null;
  iteration?: { id: string };
  nowMs?: number;
};

function write(state: RecordState, parts: Parts = {}) {
  const dueRegister = register(parts.due ?? state, 'nextRunAt')!;
  const identity: RunIdentity = runIdentity({
    userId: 'u1',
    missionId: 'm1',
    nextRunAt: dueRegister,
  });
  return buildIterationRow({
    userId: 'u1',
    missionId: 'm1',
    state,
    identity,
    dueRegister,
    iteration: server(identity.iterationId, { overallStatus: 'awaiting-review' }),
    nextRunAt: at(3600),
    nowMs,
    actor: { kind: 'ai' },
    ...parts,
  });
}

const order = (stampUs: number) => ({ stampUs, createdUs: 0, rowId: '' });
const build = (rows: ChangeRow[], nextRunAt: string | null = at(3600)) =>
  buildRescheduleRow({ userId: 'u1', missionId: 'm1', state: mergeRows(rows), nextRunAt, nowMs });
const idsOf = (items: unknown) => (items as { id: string }[]).map(({ id }) => id);

describe('run identity', () => {
  const due = { value: at(50), stampUs: 5, createdUs: 7, rowId: 'r1' };
  const ids = (parts: Partial<typeof due> = {}, userId = 'u1', missionId = 'm1') =>
    runIdentity({ userId, missionId, nextRunAt: { ...due, ...parts } });

  it('is three different version 5 uuids, the same each time', () => {
    const { runId, iterationId, rowId } = ids();
    expect(new Set([runId, iterationId, rowId]).size).toBe(3);
    for (const id of [runId, iterationId, rowId]) expect(id).toMatch(uuidV5);
    expect(ids()).toEqual(ids());
    expect(runId).toBe('65fe57f3-4e13-55cf-8d9c-117776fb56fc');
  });

  it('depends on user, mission, value, stamp and row id, and on nothing else', () => {
    const others = [
      ids({ value: at(51) }),
      ids({ stampUs: 6 }),
      ids({ rowId: 'r2' }),
      ids({}, 'u2'),
      ids({}, 'u1', 'm2'),
    ];
    expect(new Set([ids(), ...others].map(({ runId }) => runId)).size).toBe(6);
    expect(ids({ createdUs: 8 })).toEqual(ids());
  });

  it('keeps its parts apart, whatever text they hold', () => {
    expect(ids({}, 'a","b', 'c')).not.toEqual(ids({}, 'a', 'b","c'));
    expect(ids({}, '\ud800')).not.toEqual(ids({}, '\ufffd'));
    expect(ids({}, 'x'.repeat(9000)).runId).toMatch(uuidV5);
  });
});

describe('stamps of ours', () => {
  it('are now, or 1 ms after what they have to beat, as toISOString writes', () => {
    expect(nextStamp({ nowMs: 5000, after: [] })).toBe('1970-01-01T00:00:05.000Z');
    expect(nextStamp({ nowMs: 5000, after: [null, order(4_999_999)] })).toBe(
      '1970-01-01T00:00:05.000Z',
    );
    expect(nextStamp({ nowMs: 5000, after: [order(5_000_000)] })).toBe('1970-01-01T00:00:05.001Z');
    expect(nextStamp({ nowMs: 5000, after: [order(9_000_001), order(7)] })).toBe(
      '1970-01-01T00:00:09.001Z',
    );
  });

  it('are later than any other, up to the end of the range', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e15, max: LATEST_US - 1000 }), (stampUs) => {
        const stamp = nextStamp({ nowMs: 0, after: [{ stampUs, createdUs: 0, rowId: '' }] });
        expect(parseStamp(stamp)).toBeGreaterThan(stampUs);
      }),
    );
  });

  it('win over a device stamp of the year 9999 by created_at', () => {
    const fieldMeta = {
      nextRunAt: '9999-12-31T23:59:59.999999Z',
      iterations: '9999-12-31T23:59:59Z',
    };
    const first = mission({ iterations: [] }, { fieldMeta });
    const ours = write(mergeRows([first]))!;
    expect(readRecord(mergeRows([toRow(ours, at(101)), first]), 'm1')['nextRunAt']).toBe(at(3600));
  });
});

describe('the iteration row', () => {
  it('carries iterations and nextRunAt, text stamps, our client, the space, and wins', () => {
    const first = mission({ iterations: [{ id: 'a' }] });
    const state = mergeRows([first]);
    const ours = write(state)!;
    const { iterationId, rowId } = runIdentity({
      userId: 'u1',
      missionId: 'm1',
      nextRunAt: register(state, 'nextRunAt')!,
    });
    expect(ours).toMatchObject({
      id: rowId,
      appId: 'ai',
      tableName: 'aiMissions',
      recordId: 'm1',
      userId: 'u1',
      op: 'update',
      clientId: 'mana-ai-runner',
      origin: 'agent',
      spaceId: 's1',
      fieldMeta: { iterations: '2026-01-01T10:01:40.000Z', nextRunAt: '2026-01-01T10:01:40.000Z' },
    });
    expect(idsOf(ours.data['iterations'])).toEqual(['a', iterationId]);
    const merged = readRecord(mergeRows([first, toRow(ours, at(101))]), 'm1');
    expect(merged).toEqual({ id: 'm1', state: 'active', ...ours.data });
  });

  it('beats a device whose clock runs ahead, field by field', () => {
    const fieldMeta = { iterations: at(500), nextRunAt: '2026-01-01T10:10:00.000500Z' };
    const ours = write(mergeRows([mission({ iterations: [] }, { fieldMeta })]))!;
    expect(ours.fieldMeta).toEqual({
      iterations: '2026-01-01T10:08:20.001Z',
      nextRunAt: '2026-01-01T10:10:00.001Z',
    });
  });

  it('writes null where there is no next time', () => {
    expect(write(mergeRows([mission()]), { nextRunAt: null })!.data).toHaveProperty(
      'nextRunAt',
      null,
    );
  });

  it.each([
    ['deleted', row(2, { op: 'delete', data: null })],
    ['deletedAt', row(2, { data: { deletedAt: at(2) } })],
  ])('a mission that is gone (%s) gets nothing', (_, gone) => {
    expect(write(mergeRows([mission(), gone]))).toBeNull();
  });

  it.each(['paused', 'done', 'archived', 'nonsense', null])(
    'a mission in state %j keeps its nextRunAt',
    (state) => {
      const ours = write(mergeRows([mission(), row(2, { data: { state } })]))!;
      expect(Object.keys(ours.data)).toEqual(['iterations']);
      expect(Object.keys(ours.fieldMeta)).toEqual(['iterations']);
    },
  );

  it('leaves a nextRunAt alone that the person set during the run, even to the same time', () => {
    const due = mergeRows([mission()]);
    for (const value of [at(50), at(70), null]) {
      const ours = write(mergeRows([mission(), row(2, { data: { nextRunAt: value } })]), { due })!;
      expect(Object.keys(ours.data)).toEqual(['iterations']);
    }
  });

  it('moves nextRunAt although Postgres gave the winning row another created_at than we held', () => {
    const due = mergeRows([mission({}, { fieldMeta: { nextRunAt: at(1) } })]);
    const now = mergeRows([mission({}, { fieldMeta: { nextRunAt: at(1) }, createdAt: at(2) })]);
    expect(write(now, { due })!.data).toHaveProperty('nextRunAt');
  });

  it.each([undefined, null, 'x', 7, { id: 'a' }])('iterations %j count as none', (iterations) => {
    const parts = iterations === undefined ? {} : { iterations };
    expect(write(mergeRows([mission(parts)]))!.data['iterations']).toHaveLength(1);
  });

  it('replaces ours by id where it stands and keeps what the person wrote about it', () => {
    const iteration = server('x', { overallStatus: 'awaiting-review' });
    const iterations = [
      server('x', { overallStatus: 'running', phase: 1, userFeedback: 'ok' }),
      { id: 'b' },
      server('x'),
    ];
    expect(write(mergeRows([mission({ iterations })]), { iteration })!.data['iterations']).toEqual([
      { ...iteration, userFeedback: 'ok' },
      { id: 'b' },
    ]);
  });

  it('keeps elements that are no objects, duplicates and unknown fields of devices as they are', () => {
    const iterations = [
      null,
      3,
      'x',
      [1],
      { noId: 1 },
      { id: 'a', odd: { deep: [1] } },
      { id: 'a' },
    ];
    const written = write(mergeRows([mission({ iterations })]))!.data['iterations'] as unknown[];
    expect(written.slice(0, -1)).toEqual(iterations);
  });

  it('of 5,000 it drops none of a device, none that awaits review, and keeps our newest 50', () => {
    const old = Array.from({ length: 5000 }, (_, n) => {
      const startedAt = at(n - 6000);
      if (n % 10 === 0)
        return { id: `d${n}`, source: 'browser', startedAt, overallStatus: 'approved' };
      return server(`s${n}`, {
        startedAt,
        overallStatus: n % 7 === 0 ? 'awaiting-review' : 'failed',
      });
    });
    const iteration = server('new', { startedAt: at(100) });
    // newest first: position is not age
    const state = mergeRows([mission({ iterations: old.toReversed() })]);
    const kept = new Set(idsOf(write(state, { iteration })!.data['iterations']));
    const ours = old.filter(({ id }) => id.startsWith('s'));
    const newest = new Set(ours.slice(-49).map(({ id }) => id));
    for (const { id, overallStatus } of old) {
      expect(kept.has(id)).toBe(
        id.startsWith('d') || overallStatus === 'awaiting-review' || newest.has(id),
      );
    }
    expect(kept.has('new')).toBe(true);
  });
});

describe('a changed cadence', () => {
  const cadence = { kind: 'daily', atHour: 9, atMinute: 0 };
  const created = mission({ cadence, nextRunAt: at(50) });
  const changed = row(2, { data: { cadence: { ...cadence, atHour: 10 } }, spaceId: 's1' });

  it('moves nextRunAt alone, as the system', () => {
    expect(build([created, changed])).toMatchObject({
      data: { nextRunAt: at(3600) },
      fieldMeta: { nextRunAt: '2026-01-01T10:01:40.000Z' },
      actor: {
        kind: 'system',
        principalId: 'system:mission-runner',
        displayName: 'Mission-Runner',
      },
      origin: 'system',
      spaceId: 's1',
    });
  });

  it('is settled by its row, whatever the clocks say', () => {
    for (const stamp of [at(2), at(5000), '2026-01-01T12:00:00.000999Z', '9999-01-01T00:00:00Z']) {
      const ahead = { ...changed, fieldMeta: { cadence: stamp } };
      const ours = build([created, ahead])!;
      expect(build([created, ahead, toRow(ours, at(101))], at(9999))).toBeNull();
    }
  });

  it('has one id per change', () => {
    const later = row(3, { data: { cadence } });
    expect(build([created, changed])!.id).toBe(build([created, changed], at(7200))!.id);
    expect(build([created, changed])!.id).not.toBe(build([created, changed, later])!.id);
  });

  it('is left alone where nextRunAt was written with or after it', () => {
    expect(build([created])).toBeNull();
    expect(build([created, changed, row(3, { data: { nextRunAt: at(60) } })])).toBeNull();
    const same = row(3, { data: { nextRunAt: at(60) }, fieldMeta: { nextRunAt: at(2) } });
    expect(build([created, changed, same])).toBeNull();
  });

  it('is left alone where the mission is dead, not active or has no cadence', () => {
    expect(build([created, changed, row(3, { op: 'delete', data: null })])).toBeNull();
    expect(build([created, changed, row(3, { data: { state: 'paused' } })])).toBeNull();
    expect(build([mission()])).toBeNull();
  });

  it('writes null where the new cadence has no next time, and nothing where there was none', () => {
    expect(build([created, changed], null)!.data).toEqual({ nextRunAt: null });
    expect(build([mission({ nextRunAt: null }), changed], null)).toBeNull();
    expect(build([row(1, { data: { state: 'active', cadence } })], null)).toBeNull();
  });

  it('gives a mission without nextRunAt its first time', () => {
    expect(build([row(1, { data: { state: 'active', cadence } })])!.data).toEqual({
      nextRunAt: at(3600),
    });
  });

  it('settles a time that is the same: else the run would be skipped once it is due', () => {
    expect(build([created, changed], at(50))!.data).toEqual({ nextRunAt: at(50) });
  });
});
