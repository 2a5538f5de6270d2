import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExport } from '../../../src/audit/export.ts';
import { chainRows } from '../../../src/audit/hash.ts';
import { type AuditHead, type AuditRow, EMPTY_CHAIN } from '../../../src/audit/row.ts';
import { verifyChain } from '../../../src/audit/verify.ts';

const USER = 'user-1';

function content(kind: 'attempt' | 'outcome', recordId: string, iterationId = 'i-1') {
  const status = kind === 'attempt' ? ('pending' as const) : ('ok' as const);
  return {
    kind,
    missionId: 'm',
    iterationId,
    tableName: 'notes',
    recordId,
    status,
    reason: null,
    ts: '2026-11-24T10:00:00.000Z',
  };
}

/** Runs of `records` records each: all attempts of a run, then all outcomes. */
async function chainOf(runs: readonly number[]): Promise<AuditRow[]> {
  const contents = runs.flatMap((records, run) => {
    const ids = Array.from({ length: records }, (_, index) => `r-${index}`);
    return (['attempt', 'outcome'] as const).flatMap((kind) =>
      ids.map((id) => content(kind, id, `i-${run}`)),
    );
  });
  return chainRows(USER, EMPTY_CHAIN, contents);
}

function headOf(rows: readonly AuditRow[]): AuditHead {
  const last = rows.at(-1);
  return last === undefined ? EMPTY_CHAIN : { seq: last.seq, hash: last.hash };
}

async function codes(
  rows: readonly AuditRow[],
  heads: readonly AuditHead[] = [],
): Promise<string[]> {
  return (await verifyChain({ userId: USER, rows, heads })).problems.map(
    ({ seq, code }) => `${seq} ${code}`,
  );
}

/** What retention leaves: one row in place of all up to `seq`. */
function compacted(rows: readonly AuditRow[], seq: number): AuditRow[] {
  const last = rows[seq - 1];
  if (last === undefined) throw new Error('no such row');
  const names = { missionId: null, iterationId: null, tableName: null, recordId: null };
  return [
    { ...last, ...names, kind: 'checkpoint', status: 'ok', reason: null, prevHash: '' },
    ...rows.slice(seq),
  ];
}

const runsOf = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });

describe('a whole chain', () => {
  it('has no problems, in any order of rows and with rows read twice', async () => {
    await fc.assert(
      fc.asyncProperty(runsOf, fc.infiniteStream(fc.nat()), async (runs, order) => {
        const rows = await chainOf(runs);
        const shuffled = [...rows, ...rows.slice(0, 2)].map(
          (row) => [order.next().value, row] as const,
        );
        const mixed = shuffled.toSorted((a, b) => a[0] - b[0]).map(([, row]) => row);
        expect(await codes(mixed, [headOf(rows), headOf(rows.slice(0, 1))])).toEqual([]);
      }),
    );
  });

  it('may be empty, and its head then says so', async () => {
    expect(await codes([], [EMPTY_CHAIN])).toEqual([]);
    expect(await codes([], [{ seq: 2, hash: 'x' }])).toEqual(['2 truncated']);
  });

  it('may start with a checkpoint, and the row after it is bound to it', async () => {
    const rows = await chainOf([1, 1, 1]);
    expect(await codes(compacted(rows, 2), [headOf(rows)])).toEqual([]);
    expect(await codes(compacted(rows, 6), [headOf(rows)])).toEqual([]);
    const [checkpoint, ...rest] = compacted(rows, 2);
    expect(await codes([{ ...(checkpoint as AuditRow), hash: 'another' }, ...rest])).toEqual([
      '3 broken-link',
    ]);
    expect(await codes([{ ...(checkpoint as AuditRow), seq: 1 }, ...rest])).toEqual(['3 gap']);
  });

  it('counts attempts without an outcome and finds nothing wrong with them', async () => {
    const rows = await chainRows(USER, EMPTY_CHAIN, [
      content('attempt', 'a'),
      content('attempt', 'a'),
      content('outcome', 'a'),
    ]);
    expect(await verifyChain({ userId: USER, rows, heads: [] })).toMatchObject({
      problems: [],
      pending: 1,
    });
  });
});

describe('what was done to a chain shows, and where', () => {
  it('any change of any field of any row', async () => {
    const rows = await chainOf([2, 2]);
    const fields = [
      'missionId',
      'iterationId',
      'tableName',
      'recordId',
      'reason',
      'ts',
      'hash',
      'prevHash',
    ] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(rows.length - 1),
        fc.constantFrom(...fields),
        fc.string(),
        async (index, field, value) => {
          const changed = rows.map((row, at) => (at === index ? { ...row, [field]: value } : row));
          fc.pre(rows[index]?.[field] !== value);
          const found = await codes(changed, [headOf(rows)]);
          expect(found.some((problem) => problem.startsWith(`${index + 1} `))).toBe(true);
        },
      ),
    );
  });

  it('a row that was changed and hashed anew breaks the link of the next, or the head', async () => {
    const rows = await chainOf([2]);
    for (const index of rows.keys()) {
      const before = { seq: index, hash: rows[index - 1]?.hash ?? '' };
      const { seq: _seq, ...old } = rows[index] as AuditRow;
      const [forged] = await chainRows(USER, before, [{ ...old, ts: '2026-01-01T00:00:00.000Z' }]);
      const changed = rows.map((row, at) => (at === index ? (forged as AuditRow) : row));
      const expected =
        index === rows.length - 1 ? `${index + 1} head-differs` : `${index + 2} broken-link`;
      expect(await codes(changed, [headOf(rows)])).toEqual([expected]);
    }
  });

  it('rows left out anywhere', async () => {
    const rows = await chainOf([3, 3]);
    const without = (from: number, to: number) => rows.filter(({ seq }) => seq < from || seq > to);
    expect(await codes(without(1, 1))).toContain('2 gap');
    expect(await codes(without(4, 5))).toContain('6 gap');
    expect(
      (await verifyChain({ userId: USER, rows: without(4, 5), heads: [] })).problems[0]?.message,
    ).toBe('rows 4 to 5 are missing');
    expect(await codes(without(11, 12), [headOf(rows)])).toEqual(['12 truncated']);
    expect(await codes(without(11, 12))).toEqual([]);
  });

  it('rows left out and the rest numbered anew', async () => {
    const rows = await chainOf([2]);
    const changed = rows.slice(1).map((row) => ({ ...row, seq: row.seq - 1 }));
    expect(await codes(changed)).toEqual(
      expect.arrayContaining(['1 broken-link', '1 altered-row', '2 altered-row']),
    );
  });

  it('two rows in one place', async () => {
    const rows = await chainOf([1]);
    const [other] = await chainRows(USER, EMPTY_CHAIN, [content('attempt', 'other')]);
    expect(await codes([...rows, other as AuditRow])).toContain('1 fork');
  });

  it('an outcome without an attempt, one too many, and one for another record', async () => {
    const cases = [[content('outcome', 'a')], [content('attempt', 'a'), content('outcome', 'b')]];
    for (const contents of cases) {
      const rows = await chainRows(USER, EMPTY_CHAIN, contents);
      expect(await codes(rows)).toEqual([`${rows.length} outcome-without-attempt`]);
    }
    const twice = await chainRows(USER, EMPTY_CHAIN, [
      content('attempt', 'a'),
      content('outcome', 'a'),
      content('outcome', 'a'),
    ]);
    expect(await codes(twice)).toEqual(['3 outcome-without-attempt']);
  });

  it('an attempt that claims an outcome, an outcome that is pending', async () => {
    const attempt = { ...content('attempt', 'a'), status: 'ok' as const };
    const outcome = { ...content('outcome', 'a'), status: 'pending' as const };
    expect(await codes(await chainRows(USER, EMPTY_CHAIN, [attempt, outcome]))).toEqual([
      '1 wrong-status',
      '2 wrong-status',
    ]);
  });

  it('a checkpoint in the middle', async () => {
    const rows = await chainOf([1, 1]);
    const middle = compacted(rows, 2)[0] as AuditRow;
    expect(await codes([...rows.slice(0, 1), middle, ...rows.slice(2)])).toContain(
      '2 misplaced-checkpoint',
    );
  });

  it('the audit of another user', async () => {
    const rows = await chainOf([1]);
    const { problems } = await verifyChain({ userId: 'user-2', rows, heads: [] });
    expect(problems.map(({ code }) => code)).toEqual(['altered-row', 'altered-row']);
  });

  it('a name that canonical JSON cannot hold', async () => {
    const rows = await chainOf([1]);
    expect(await codes(rows.map((row) => ({ ...row, recordId: '\ud800' })))).toEqual([
      '1 altered-row',
      '2 altered-row',
    ]);
  });

  it('a head that was noted before a checkpoint is not called checked', async () => {
    const rows = await chainOf([1, 1]);
    expect(await codes(compacted(rows, 2), [headOf(rows.slice(0, 1))])).toEqual([
      '1 head-not-checkable',
    ]);
  });
});

describe('an export', () => {
  it('is a page, an array of pages, an array of rows, or a page on each line', async () => {
    const rows = await chainOf([2]);
    const [first, second] = [
      { userId: USER, rows: rows.slice(0, 2), head: headOf(rows), next: 2 },
      { userId: USER, rows: rows.slice(2), head: headOf(rows) },
    ];
    const expected = {
      userId: USER,
      rows,
      heads: [headOf(rows), headOf(rows)],
      missingAfter: null,
    };
    expect(parseExport([JSON.stringify([first, second], null, 2)])).toEqual(expected);
    expect(parseExport([`${JSON.stringify(first)}\n${JSON.stringify(second)}\n`])).toEqual(
      expected,
    );
    expect(parseExport([JSON.stringify(first), JSON.stringify(second)])).toEqual(expected);
    expect(parseExport([JSON.stringify(rows)])).toMatchObject({ userId: null, rows, heads: [] });
    expect(parseExport([JSON.stringify(first)])).toMatchObject({ missingAfter: 2 });
    expect(parseExport(['[]'])).toMatchObject({ rows: [] });
  });

  it.each([
    '',
    '{',
    '{}',
    '7',
    'null',
    '[1]',
    '{"rows":[{}]}',
    '{"rows":[],"head":{"seq":-1,"hash":""}}',
  ])('is not %j', (text) => {
    if (text === '') expect(parseExport([text])).toMatchObject({ rows: [] });
    else
      expect(() => parseExport([text])).toThrow(
        expect.objectContaining({ code: 'AUDIT_EXPORT_UNREADABLE' }),
      );
  });

  it('belongs to one user', () => {
    const pages = ['a', 'b'].map((userId) => JSON.stringify({ userId, rows: [] }));
    expect(() => parseExport(pages)).toThrow('different users');
  });
});
