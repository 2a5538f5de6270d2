import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChangeRow } from '../../../src/sync/change-row.ts';
import { applyRow, emptyState, isAlive, mergeRows, readRecord } from '../../../src/sync/merge.ts';
import { at, row, uuid } from './rows.ts';

const read = (...rows: ChangeRow[]) => readRecord(mergeRows(rows), 'm1');
const insert = (n: number, parts: Partial<ChangeRow> = {}) =>
  row(n, { op: 'insert', data: { a: n }, ...parts });
const del = (n: number, parts: Partial<ChangeRow> = {}) =>
  row(n, { op: 'delete', data: null, ...parts });
const alive = (...rows: ChangeRow[]) => isAlive(mergeRows(rows));

describe('fields', () => {
  it('the later stamp wins, as instant and not as text', () => {
    const whole = row(2, { data: { a: 'whole' }, fieldMeta: { a: '2026-01-01T10:00:00Z' } });
    const half = row(1, { data: { a: 'half' }, fieldMeta: { a: '2026-01-01T10:00:00.500Z' } });
    expect(read(whole, half)).toEqual({ id: 'm1', a: 'half' });
    const offset = row(1, { data: { a: 'offset' }, fieldMeta: { a: '2026-01-01T12:00:00+02:00' } });
    expect(read(whole, offset)['a']).toBe('whole');
    const earlier = row(9, {
      data: { a: 'earlier' },
      fieldMeta: { a: '2026-01-01T11:59:59+02:00' },
    });
    expect(read(whole, earlier)['a']).toBe('whole');
  });

  it('stamps differ by a microsecond', () => {
    const a = row(2, { data: { a: 1 }, fieldMeta: { a: '2026-01-01T10:00:00.000001Z' } });
    const b = row(1, { data: { a: 2 }, fieldMeta: { a: '2026-01-01T10:00:00.000002Z' } });
    expect(read(a, b)['a']).toBe(2);
  });

  it('equal stamps: the later created_at, then the greater row id', () => {
    const stamp = { a: '2026-01-01T10:00:00Z' };
    const older = row(9, { data: { a: 'older' }, fieldMeta: stamp, createdAt: at(1) });
    const newer = row(1, { data: { a: 'newer' }, fieldMeta: stamp, createdAt: at(2) });
    const twin = row(5, { data: { a: 'twin' }, fieldMeta: stamp, createdAt: at(2) });
    expect(read(older, newer)['a']).toBe('newer');
    expect(read(twin, older, newer)['a']).toBe('twin');
  });

  it.each([
    undefined,
    null,
    'yesterday',
    17,
    {},
    { at: 'no' },
    { at: 17 },
    ['2030-01-01T00:00:00Z'],
  ])('a stamp %j is no date: created_at counts', (stamp) => {
    const meta = stamp === undefined ? {} : { a: stamp };
    expect(
      read(row(3, { data: { a: 'mine' }, fieldMeta: meta }), row(2, { data: { a: 'old' } }))['a'],
    ).toBe('mine');
    expect(
      read(row(3, { data: { a: 'mine' }, fieldMeta: meta }), row(4, { data: { a: 'new' } }))['a'],
    ).toBe('new');
  });

  it.each([null, [], 'text', 7])('field_meta %j holds no stamps', (fieldMeta) => {
    expect(read(row(3, { data: { a: 1 }, fieldMeta }), row(2, { data: { a: 2 } }))['a']).toBe(1);
  });

  it('an object with `at` is a stamp', () => {
    const a = row(1, { data: { a: 1 }, fieldMeta: { a: { at: '2026-02-01T00:00:00Z', by: 'x' } } });
    expect(read(a, row(2, { data: { a: 2 } }))['a']).toBe(1);
  });

  it('the first row gets no special treatment: its stamps count', () => {
    const first = row(1, {
      op: 'insert',
      data: { a: 1 },
      fieldMeta: { a: '2026-02-01T00:00:00Z' },
    });
    expect(read(first, row(2, { data: { a: 2 } }))['a']).toBe(1);
  });

  it('keys that start with __ and `id` never become fields, names of Object.prototype do', () => {
    const data = JSON.parse(
      '{"__proto__":{"p":1},"__x":1,"id":"other","constructor":"c","toString":"t","hasOwnProperty":1}',
    );
    const state = mergeRows([row(1, { data })]);
    expect(Object.keys(state.fields).toSorted()).toEqual([
      'constructor',
      'hasOwnProperty',
      'toString',
    ]);
    expect(readRecord(state, 'm1')).toEqual({
      id: 'm1',
      constructor: 'c',
      toString: 't',
      hasOwnProperty: 1,
    });
    expect(({} as Record<string, unknown>)['p']).toBeUndefined();
  });

  it('inherited names are no stamps', () => {
    const newer = row(2, { data: { constructor: 2, valueOf: 2 } });
    expect(read(row(1, { data: { constructor: 1, valueOf: 1 } }), newer)['constructor']).toBe(2);
  });

  it('does not change the state it was given', () => {
    const before = mergeRows([row(1, { data: { a: 1 } })]);
    const copy = structuredClone(before);
    applyRow(before, row(2, { op: 'delete', data: null }));
    applyRow(before, row(3, { data: { a: 2 } }));
    expect(before).toEqual(copy);
  });
});

describe('existence', () => {
  it('a record without any delete is alive, even with updates alone', () => {
    expect(alive(row(1, { data: {} }))).toBe(true);
  });

  it('a record without any row is not alive', () => {
    expect(isAlive(emptyState())).toBe(false);
    expect(alive(row(1, { schemaVersion: 2 }))).toBe(false);
  });

  it('a delete counts although its data is null, an array or text', () => {
    for (const data of [null, [], 'x', { a: 'ignored' }])
      expect(alive(insert(1), del(2, { data }))).toBe(false);
    expect(read(insert(1), del(2, { data: { a: 'ignored' } }))['a']).toBe(1);
  });

  it('a later insert brings it back, a later update does not but keeps its fields', () => {
    expect(alive(insert(1), del(2), row(3, { data: { a: 3 } }))).toBe(false);
    expect(alive(insert(1), del(2), row(3, { data: { a: 3 } }), insert(4, { data: {} }))).toBe(
      true,
    );
    expect(read(insert(1), del(2), row(3, { data: { a: 3 } }), insert(4, { data: {} }))['a']).toBe(
      3,
    );
  });

  it('is stamped field_meta.__deleted where that is a date', () => {
    expect(alive(insert(1), del(2), insert(3), del(4, { fieldMeta: { __deleted: at(2) } }))).toBe(
      true,
    );
    expect(alive(insert(3), del(1, { fieldMeta: { __deleted: at(9) } }))).toBe(false);
    expect(alive(insert(3), del(4, { fieldMeta: { __deleted: true } }))).toBe(false);
  });

  it('equal stamps: the greater row id', () => {
    expect(alive(insert(1, { createdAt: at(5) }), del(2, { createdAt: at(5) }))).toBe(false);
    expect(alive(insert(2, { createdAt: at(5) }), del(1, { createdAt: at(5) }))).toBe(true);
  });

  it('a winning deletedAt means deleted, an empty or lost one does not', () => {
    expect(alive(insert(1), row(2, { data: { deletedAt: at(2) } }))).toBe(false);
    expect(
      alive(
        insert(1),
        row(2, { data: { deletedAt: at(2) } }),
        row(3, { data: { deletedAt: null } }),
      ),
    ).toBe(true);
    expect(alive(row(2, { data: { deletedAt: '' } }))).toBe(true);
    expect(alive(row(2, { data: { deletedAt: true } }))).toBe(true);
  });
});

describe('rows that are skipped', () => {
  it('a schema version above 1, also of a delete', () => {
    const before = mergeRows([row(1, { data: { a: 1 } })]);
    const result = applyRow(before, row(2, { data: { a: 2 }, schemaVersion: 2 }));
    expect(result).toEqual({ state: before, skipped: 'schema-version' });
    expect(applyRow(before, row(2, { op: 'delete', data: null, schemaVersion: 2 })).skipped).toBe(
      'schema-version',
    );
  });

  it.each([null, [], [1], 'x', 1, true, undefined])('data %j', (data) => {
    const before = mergeRows([row(1, { data: { a: 1 } })]);
    expect(applyRow(before, row(2, { data, spaceId: 's' }))).toEqual({
      state: before,
      skipped: 'data-not-object',
    });
    expect(applyRow(null, row(2, { op: 'insert', data }))).toEqual({
      state: emptyState(),
      skipped: 'data-not-object',
    });
  });

  it('a created_at that is no date counts as the earliest', () => {
    const odd = row(9, { data: { a: 'odd' }, createdAt: 'infinity' });
    expect(read(odd, row(1, { data: { a: 'real' } }))['a']).toBe('real');
  });
});

describe('space', () => {
  it('is that of the newest row by created_at, then id', () => {
    const rows = [row(1, { spaceId: 'a' }), row(3, { spaceId: null }), row(2, { spaceId: 'b' })];
    expect(mergeRows(rows).spaceId).toBeNull();
    expect(mergeRows([...rows, row(4, { spaceId: 'c', createdAt: at(3) })]).spaceId).toBe('c');
  });

  it('a row of ours never moves a record', () => {
    const ours = row(3, { spaceId: 'old', clientId: 'mana-ai-runner' });
    expect(mergeRows([row(2, { spaceId: 'new' }), ours]).spaceId).toBe('new');
    expect(mergeRows([ours]).spaceId).toBe('old');
  });
});

describe('order', () => {
  const stamp = fc.constantFrom(
    at(1),
    at(2),
    '2026-01-01T10:00:01Z',
    '2026-01-01T12:00:02+02:00',
    '2026-01-01T10:00:01.5Z',
    'x',
    '',
  );
  const meta = fc.oneof(
    fc.dictionary(
      fc.constantFrom('a', 'constructor', 'deletedAt', '__deleted'),
      fc.oneof(stamp, fc.record({ at: stamp })),
    ),
    fc.constant(null),
    fc.constant([]),
  );
  const data = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.dictionary(
        fc.constantFrom('a', 'b', 'constructor', 'deletedAt', '__p', 'id'),
        fc.jsonValue({ maxDepth: 1 }),
      ),
    },
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.constant(null) },
  );
  const rows = fc
    .array(
      fc.record({
        op: fc.constantFrom('insert', 'update', 'delete'),
        data,
        fieldMeta: meta,
        createdAt: fc.constantFrom(at(1), at(2), at(3)),
        schemaVersion: fc.constantFrom(1, 1, 1, 1, 2),
        clientId: fc.constantFrom('phone', 'laptop', 'mana-ai-runner'),
        spaceId: fc.constantFrom('s1', 's2', null),
      }),
      { maxLength: 12 },
    )
    .map((parts) => parts.map((part, n) => row(n, { ...part, id: uuid((n * 7) % 13) })));

  it('any permutation and repetition of the same rows gives the same record', () => {
    const shuffled = rows.chain((list) =>
      fc.tuple(
        fc.constant(list),
        fc.shuffledSubarray([...list, ...list], {
          minLength: list.length * 2,
          maxLength: list.length * 2,
        }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([list, permuted]) => {
        const straight = mergeRows(list);
        expect(mergeRows(permuted)).toEqual(straight);
        // storing the state between two rows changes nothing
        let stored = emptyState();
        for (const one of permuted)
          stored = JSON.parse(JSON.stringify(applyRow(stored, one).state));
        expect(stored).toEqual(JSON.parse(JSON.stringify(straight)));
      }),
      { numRuns: 500 },
    );
  });
});
