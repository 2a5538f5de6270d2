import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChangeRow, isDeviceRow, type NewChangeRow } from '../../../src/sync/change-row.ts';
import {
  applyRow,
  compareOrder,
  mergeRows,
  orderOf,
  type RecordState,
  readRecord,
  register,
} from '../../../src/sync/merge.ts';
import { mayNeedRepair, repairRow } from '../../../src/sync/repair.ts';
import { buildIterationRow, toRow } from '../../../src/sync/write-back.ts';
import { at, row, uuid } from './rows.ts';

type Item = { id: string; [field: string]: unknown };

const server = (id: string, parts: Record<string, unknown> = {}): Item => ({
  id,
  source: 'server',
  overallStatus: 'awaiting-review',
  startedAt: at(0),
  ...parts,
});
const browser = (id: string): Item => ({ id, source: 'browser', overallStatus: 'approved' });
const device = (n: number, iterations: unknown, parts: Partial<ChangeRow> = {}) =>
  row(n, { data: { iterations }, ...parts });
const runner = (n: number, iterations: unknown, parts: Partial<ChangeRow> = {}) =>
  device(n, iterations, { clientId: 'mana-ai-runner', ...parts });
const repairOf = (rows: ChangeRow[]): NewChangeRow | null =>
  repairRow({
    userId: 'u1',
    missionId: 'm1',
    state: mergeRows(rows),
    rows,
    nowMs: Date.parse(at(1000)),
  });
const itemsOf = (repair: NewChangeRow | null) => repair?.data['iterations'];
const mergedOf = (rows: ChangeRow[]) => readRecord(mergeRows(rows), 'm1')['iterations'];

/** The repair is what the record then holds, and nothing is left to repair. */
function settled(rows: ChangeRow[]): unknown {
  const repair = repairOf(rows);
  if (repair === null) return mergedOf(rows);
  const after = [...rows, toRow(repair, at(1001))];
  expect(mergedOf(after)).toEqual(itemsOf(repair));
  expect(repairOf(after)).toBeNull();
  return mergedOf(after);
}

const [a, b, x, y] = [browser('a'), browser('b'), server('x'), server('y')];

describe('lost iterations', () => {
  it('come back after a device that never saw them', () => {
    const rows = [device(1, [a]), runner(2, [a, x]), device(3, [a, b])];
    expect(repairOf(rows)).toMatchObject({
      recordId: 'm1',
      origin: 'system',
      actor: { kind: 'system' },
      clientId: 'mana-ai-runner',
      fieldMeta: { iterations: '2026-01-01T10:16:40.000Z' },
    });
    expect(settled(rows)).toEqual([a, b, x]);
  });

  it('stay deleted where the device had carried them', () => {
    const rows = [runner(2, [x, y]), device(3, [x, y]), device(4, [y])];
    expect(repairOf(rows)).toBeNull();
  });

  it('stay deleted also when another device, which never carried them, writes later', () => {
    const rows = [
      runner(2, [x]),
      device(3, [x]),
      device(4, []),
      device(5, [a], { clientId: 'laptop' }),
    ];
    expect(repairOf(rows)).toBeNull();
  });

  it('come back where the gap was inherited from a blind overwrite', () => {
    const rows = [
      runner(2, [x]),
      device(3, [x]),
      device(4, [a], { clientId: 'laptop' }),
      device(5, [a, b]),
    ];
    expect(settled(rows)).toEqual([a, b, x]);
  });

  it('can be deleted again once the device has carried them again', () => {
    const gap = [
      runner(2, [x]),
      device(3, [x]),
      device(4, [a], { clientId: 'laptop' }),
      device(5, [a]),
    ];
    expect(settled([...gap, device(6, [a, b])])).toEqual([a, b, x]);
    expect(repairOf([...gap, device(6, [a, x]), device(7, [a])])).toBeNull();
  });

  it('come back in their latest version, also one that another device wrote', () => {
    const approved = { ...x, overallStatus: 'approved' };
    const laptop = device(3, [approved], { clientId: 'laptop' });
    expect(settled([runner(2, [x]), laptop, device(4, [a])])).toEqual([a, approved]);
    // a row of ours that crossed the approval only copied the older version
    expect(settled([runner(2, [x]), laptop, runner(4, [x, y]), device(5, [a])])).toEqual([
      a,
      approved,
      y,
    ]);
  });

  it('a finished iteration is never taken back to running', () => {
    const running = { ...x, overallStatus: 'running' };
    const stale = device(5, [{ ...running, cancelRequested: true }]);
    expect(settled([runner(2, [running]), runner(4, [x]), stale])).toEqual([x]);
  });

  it("a device's items come back where a row of ours crossed its write", () => {
    const approved = { ...x, overallStatus: 'approved' };
    const rows = [runner(2, [x]), device(3, [approved, b]), runner(4, [x, y])];
    expect(settled(rows)).toEqual([approved, b, y]);
  });

  it('none is caused by a row of ours', () => {
    expect(repairOf([runner(1, [x])])).toBeNull();
    expect(repairOf([device(1, [a]), runner(2, [a, x]), runner(3, [a, x, y])])).toBeNull();
  });

  it('a device row has one repair, the same whoever computes it', () => {
    const rows = [device(1, [a]), runner(2, [a, x]), device(3, [b])];
    const repair = repairOf(rows)!;
    expect(repairOf(rows.toReversed())!.id).toBe(repair.id);
    expect(repairOf([...rows, ...rows])).toEqual(repair);
    // its second device row gets its own
    const again = [...rows, toRow(repair, at(1001)), device(1002, [a, b])];
    const second = repairOf(again)!;
    expect(second.id).not.toBe(repair.id);
    expect(second.fieldMeta['iterations']! > repair.fieldMeta['iterations']!).toBe(true);
    expect(itemsOf(second)).toEqual([a, b, x]);
  });

  it('a row that arrives late is charged with the repair that it causes', () => {
    const rows = [runner(2, [x]), device(10, [a])];
    const repaired = [...rows, toRow(repairOf(rows)!, at(1001))];
    const approved = { ...x, overallStatus: 'approved' };
    const late = device(1002, [approved], { clientId: 'laptop', fieldMeta: { iterations: at(5) } });
    expect(settled([...repaired, late])).toEqual([a, approved]);
  });

  it('a deletion ends where a device carries the iteration again', () => {
    const gone = [runner(2, [x]), device(3, [x]), device(4, [])];
    const carried = device(5, [x], { clientId: 'laptop' });
    const blind = device(6, [a], { clientId: 'tablet' });
    expect(settled([...gone, blind])).toEqual([a]);
    expect(settled([...gone, carried, blind])).toEqual([a, x]);
  });

  it('an array that lies in another order, or whose objects do, needs none', () => {
    const turned = {
      overallStatus: x['overallStatus'],
      startedAt: x['startedAt'],
      source: 'server',
      id: 'x',
    };
    expect(repairOf([device(1, [a, b]), runner(2, [turned, b, a])])).toBeNull();
  });

  it.each([null, 'x', 7, {}])(
    'a device that writes %j as array loses nothing of ours',
    (garbage) => {
      expect(settled([runner(2, [x]), device(3, garbage)])).toEqual([x]);
      expect(repairOf([device(3, garbage)])).toBeNull();
    },
  );

  it('rows that the merge skips, of other records, or without iterations have no say', () => {
    const rows = [
      runner(2, [x]),
      device(3, [], { schemaVersion: 2 }),
      device(4, [], { op: 'delete' }),
      device(5, [], { recordId: 'm2' }),
      row(6, { data: [] }),
      row(7, { data: { title: 't' } }),
    ];
    expect(
      repairRow({
        userId: 'u1',
        missionId: 'm1',
        state: mergeRows(rows.slice(0, 1)),
        rows,
        nowMs: 0,
      }),
    ).toBeNull();
  });

  it('elements without an id, of odd types and with odd keys survive', () => {
    const odd = [
      null,
      3,
      'text',
      [1],
      { noId: 1 },
      JSON.parse('{"id":"__proto__","__proto__":{"p":1},"source":"server"}'),
    ];
    expect(settled([runner(2, [x]), device(3, odd)])).toEqual([...odd, x]);
  });

  it('a deleted mission gets nothing', () => {
    expect(
      repairOf([runner(2, [x]), device(3, [a]), row(4, { op: 'delete', data: null })]),
    ).toBeNull();
  });

  it('beats a device whose clock runs ahead', () => {
    const ahead = device(3, [a], { fieldMeta: { iterations: '2030-01-01T00:00:00.000400Z' } });
    expect(repairOf([runner(2, [x]), ahead])!.fieldMeta).toEqual({
      iterations: '2030-01-01T00:00:00.001Z',
    });
    expect(settled([runner(2, [x]), ahead])).toEqual([a, x]);
  });

  it('what we dropped for its age does not come back, what awaits review does', () => {
    const own = Array.from({ length: 260 }, (_, n) =>
      server(`s${n}`, { startedAt: at(n), overallStatus: n === 3 ? 'awaiting-review' : 'failed' }),
    );
    const kept = own.filter((_, n) => n >= 60 || n === 3);
    const rows = [
      ...own.map((item, n) => runner(n + 1, [item])),
      runner(300, kept),
      device(301, [a]),
    ];
    expect(settled(rows)).toEqual([a, ...kept]);
    // nor where the devices deleted newer ones, so that fewer than 200 are left
    const fewer = kept.slice(0, -50);
    const deleted = [
      ...rows.slice(0, -1),
      device(301, kept),
      device(302, fewer),
      device(303, [a], { clientId: 'laptop' }),
    ];
    expect(settled(deleted)).toEqual([a, ...fewer]);
    // nor does a write-back that drops the 201st need a repair
    const seen = [
      device(1, own.slice(0, 201)),
      runner(2, own.slice(1, 202).concat(own.slice(3, 4))),
    ];
    expect(repairOf(seen)).toBeNull();
  });

  it('5,000 iterations in many rows take no second', () => {
    const items = Array.from({ length: 5000 }, (_, n) => browser(`b${n}`));
    const rows = Array.from({ length: 40 }, (_, n) => device(n + 2, items.slice(0, 4960 + n)));
    const start = performance.now();
    expect(settled([runner(1, [x]), ...rows])).toHaveLength(5000);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

/** Whether the last of the rows raises a doubt, merged after the others */
function doubts(rows: ChangeRow[]): boolean {
  const before = mergeRows(rows.slice(0, -1));
  const last = rows.at(-1)!;
  return mayNeedRepair({ before, after: applyRow(before, last).state, row: last });
}

describe('a merged row raises a doubt', () => {
  const approved = { ...x, overallStatus: 'approved' };

  it('where it wipes out an iteration of ours, takes a finished one back, or was wiped out itself', () => {
    expect(doubts([runner(2, [x]), device(3, [a])])).toBe(true);
    expect(doubts([runner(2, [x]), device(3, [{ ...x, overallStatus: 'running' }])])).toBe(true);
    expect(doubts([runner(4, [x]), device(3, [b])])).toBe(true);
    expect(doubts([device(3, [b]), runner(4, [x])])).toBe(true);
    expect(doubts([runner(4, [a, x]), device(3, [])])).toBe(true);
    expect(doubts([device(3, []), runner(4, [a, x])])).toBe(true);
  });

  it('not where a device writes on top of what it has seen, nor for a row of ours on top of that', () => {
    expect(doubts([device(1, [])])).toBe(false);
    expect(doubts([device(1, [a]), runner(2, [a, x])])).toBe(false);
    expect(doubts([runner(2, [a, x]), device(3, [approved, b])])).toBe(false);
    expect(doubts([runner(2, [x]), row(3, { data: { title: 't' } })])).toBe(false);
    expect(doubts([runner(2, [x]), device(3, [], { op: 'delete' })])).toBe(false);
  });
});

/**
 * Devices and the runner over one log. A device keeps its array as last-writer-wins leaves it, and writes it whole. The runner writes from
 * what it last read: `crossing` device rows reach it only after its row.
 */
type Action =
  | { do: 'pull' | 'add' | 'delete' | 'touch'; device: number; pick: number }
  | { do: 'run' | 'crossing-run' | 'crashed-run' | 'refresh'; device: number; pick: number };

const actions = fc.array(
  fc.record({
    do: fc.constantFrom(
      'pull',
      'pull',
      'add',
      'delete',
      'touch',
      'run',
      'crossing-run',
      'crashed-run',
      'refresh',
    ),
    device: fc.nat({ max: 2 }),
    pick: fc.nat({ max: 5 }),
  }),
  // the default size stops at about ten steps, too few for three devices to get in each other's way
  { maxLength: 40, size: 'max' },
) as fc.Arbitrary<Action[]>;

class World {
  readonly log: ChangeRow[] = [
    row(1, { op: 'insert', data: { state: 'active', nextRunAt: at(1), iterations: [] } }),
  ];
  readonly devices: { rows: ChangeRow[] }[] = [0, 1, 2].map(() => ({ rows: [...this.log] }));
  readonly skewsMs: readonly number[];
  /** what the runner has read of the log */
  read = 1;
  /** what the runner has merged, row by row as it read them, and whether a row raised a doubt since the last repair */
  state: RecordState = mergeRows(this.log);
  doubtful = false;
  /** a row of ours that is in the log without the runner's knowing */
  unknown: ChangeRow | null = null;
  clock = 10;
  runs = 0;
  repairs = 0;
  /** iterations that a person deleted, whatever the log can tell of it */
  readonly everDeleted = new Set<string>();
  /** those of which the log says so without doubt, as long as nobody carries them again */
  readonly surelyDeleted = new Set<string>();

  constructor(skewsMs: readonly number[]) {
    this.skewsMs = skewsMs;
  }

  step(action: Action): void {
    this.clock += 1;
    if (action.do === 'refresh') this.refresh();
    else if (action.do === 'run' || action.do === 'crossing-run') this.run(action.do === 'run');
    else if (action.do === 'crashed-run') this.crash();
    else if (action.do === 'pull') this.devices[action.device]!.rows = [...this.log];
    else this.write(action);
  }

  write({ do: kind, device: index, pick }: Action): void {
    const local = itemsIn(this.devices[index]!.rows);
    const target = local[pick % Math.max(local.length, 1)];
    if (kind === 'add') this.push(index, [...local, browser(`d${this.clock}`)]);
    else if (target === undefined) return;
    else if (kind === 'touch') {
      this.push(
        index,
        local.map((item) => (item === target ? { ...item, userFeedback: this.clock } : item)),
      );
    } else {
      this.everDeleted.add(target.id);
      const sure = this.isSureDelete(index, target.id);
      this.push(
        index,
        local.filter((item) => item !== target),
      );
      if (sure) this.surelyDeleted.add(target.id);
    }
  }

  /** The client carried it in its last row, and no device row that wins over that one lacks it. */
  isSureDelete(index: number, id: string): boolean {
    const rows = this.log
      .filter(isDeviceRow)
      .toSorted((one, two) => compareOrder(orderOf(one, 'iterations'), orderOf(two, 'iterations')));
    const last = rows.findLastIndex(({ clientId }) => clientId === `device${index}`);
    return (
      last !== -1 && rows.slice(last).every((one) => itemsIn([one]).some((item) => item.id === id))
    );
  }

  push(index: number, iterations: Item[]): void {
    const { rows } = this.devices[index]!;
    // a device stamps its write later than what it overwrites, as far as its clock lets it
    const stamp = new Date(Date.parse(at(this.clock)) + this.skewsMs[index]!).toISOString();
    const written = device(this.clock, iterations, {
      clientId: `device${index}`,
      fieldMeta: { iterations: stamp },
    });
    this.log.push(written);
    rows.push(written);
    for (const { id } of iterations) this.surelyDeleted.delete(id);
  }

  /** The process is killed when its row is in the log and before it has merged it; the repeated run finds the row there. */
  crash(): void {
    this.resume();
    const before = this.state;
    this.run(false);
    this.state = before;
    this.unknown = this.log[this.read - 1]!;
  }

  resume(): void {
    if (this.unknown !== null) this.merge(this.unknown);
    this.unknown = null;
  }

  run(refreshFirst: boolean): void {
    if (refreshFirst) this.refresh();
    this.resume();
    const { state } = this;
    this.runs += 1;
    const due = register(state, 'nextRunAt')!;
    const ours = buildIterationRow({
      userId: 'u1',
      missionId: 'm1',
      state,
      identity: { runId: '', iterationId: '', rowId: uuid(100_000 + this.runs) },
      dueRegister: due,
      iteration: server(`x${this.runs}`, { startedAt: at(this.clock) }),
      nextRunAt: null,
      nowMs: Date.parse(at(this.clock)),
      actor: {},
    })!;
    this.append(ours);
  }

  /** Ours is read at once; what crossed it is read at the next refresh. */
  append(ours: NewChangeRow): void {
    const crossing = this.log.splice(this.read);
    const written = toRow(ours, at(this.clock));
    this.log.push(written, ...crossing);
    this.read += 1;
    this.state = applyRow(this.state, written).state;
  }

  refresh(): void {
    for (const one of this.log.slice(this.read)) this.merge(one);
    this.read = this.log.length;
    this.resume();
    const repair = this.repair();
    if (repair !== null) expect(this.doubtful).toBe(true);
    this.doubtful = false;
    if (repair === null) return;
    this.clock += 1;
    this.repairs += 1;
    expect(this.log.some(({ id }) => id === repair.id)).toBe(false);
    this.append(repair);
    expect(this.repair()).toBeNull();
  }

  merge(one: ChangeRow): void {
    const before = this.state;
    this.state = applyRow(before, one).state;
    if (mayNeedRepair({ before, after: this.state, row: one })) this.doubtful = true;
  }

  repair(): NewChangeRow | null {
    const state = mergeRows(this.log);
    expect(this.state).toEqual(state);
    return repairRow({
      userId: 'u1',
      missionId: 'm1',
      state,
      rows: this.log,
      nowMs: Date.parse(at(this.clock)),
    });
  }
}

function itemsIn(rows: ChangeRow[]): Item[] {
  return (mergedOf(rows) ?? []) as Item[];
}

describe('devices and the runner in any interleaving', () => {
  const skews = fc.oneof(
    fc.constant([0, 0, 0]),
    fc.tuple(...[0, 1, 2].map(() => fc.constantFrom(0, -3_600_000, -2500, 2500, 3_600_000))),
  );

  it('no iteration of ours is lost, none revived, repairs end and are no more than device rows', () => {
    fc.assert(
      fc.property(actions, skews, (steps, skewsMs) => {
        const world = new World(skewsMs);
        for (const step of steps) world.step(step);
        world.refresh();
        const rows = world.log;
        const ids = new Set(itemsIn(rows).map(({ id }) => id));
        for (let run = 1; run <= world.runs; run++) {
          if (!world.everDeleted.has(`x${run}`)) expect(ids).toContain(`x${run}`);
        }
        expect(world.repairs).toBeLessThanOrEqual(rows.filter(isDeviceRow).length);
        // what the winning device wrote stands
        const winner = rows
          .filter(isDeviceRow)
          .reduce((best, one) =>
            register(mergeRows([best, one]), 'iterations')!.rowId === one.id ? one : best,
          );
        const winning = new Set(itemsIn([winner]).map(({ id }) => id));
        expect(winning.isSubsetOf(ids)).toBe(true);
        // a delete stands, unless a device whose clock runs ahead wins with the item in its array
        const runs = [...world.surelyDeleted].filter(
          (id) => id.startsWith('x') && !winning.has(id),
        );
        for (const id of runs) expect(ids).not.toContain(id);
        // a run on settled ground needs no repair
        const { repairs } = world;
        world.run(false);
        world.refresh();
        expect(world.repairs).toBe(repairs);
      }),
      { numRuns: 1500 },
    );
  });
});
