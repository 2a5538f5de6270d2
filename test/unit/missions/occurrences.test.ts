import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Cadence, nextDue } from '../../../src/missions/cadence.ts';
import {
  dueMoments,
  fatesOfRun,
  fatesOfSkip,
  KEPT_OCCURRENCES,
  type Occurrence,
  ranInForeground,
} from '../../../src/missions/occurrences.ts';

const DAY_MS = 24 * 3_600_000;
const T0 = Date.UTC(2027, 0, 4, 9);
const daily: Cadence = { kind: 'daily', atHour: 9, atMinute: 0 };

function momentsOf(
  cadence: Cadence | null,
  parts: { dueMs?: number; settledMs?: number; untilMs: number },
): number[] {
  const base = { cadence, missionId: 'm', defaultZone: 'UTC', dueMs: T0, settledMs: null };
  return dueMoments({ ...base, ...parts });
}

/** The iterations of a mission that a tab began at this time. */
function began(ms: number): unknown[] {
  return [{ source: 'browser', startedAt: new Date(ms).toISOString() }];
}

describe('due moments', () => {
  it('are the named one and those of the cadence that passed after it', () => {
    expect(momentsOf(daily, { untilMs: T0 + 2.5 * DAY_MS })).toEqual([
      T0,
      T0 + DAY_MS,
      T0 + 2 * DAY_MS,
    ]);
    expect(momentsOf(daily, { untilMs: T0 })).toEqual([T0]);
    expect(
      momentsOf({ kind: 'interval', everyMinutes: 30 }, { untilMs: T0 + 3_600_000 }),
    ).toHaveLength(3);
    expect(momentsOf({ kind: 'manual' }, { untilMs: T0 + DAY_MS })).toEqual([T0]);
    expect(momentsOf(null, { untilMs: T0 + 9 * DAY_MS })).toEqual([T0]);
  });

  it('that have their fate already are not named again, but for the one that somebody set by hand', () => {
    const settledMs = T0 + DAY_MS;
    expect(momentsOf(daily, { settledMs, untilMs: T0 + 2 * DAY_MS })).toEqual([
      T0,
      T0 + 2 * DAY_MS,
    ]);
    expect(momentsOf(daily, { settledMs, untilMs: T0 + DAY_MS })).toEqual([T0]);
  });

  it('of years of a mission for every minute are the newest, and found at once', () => {
    const dense: Cadence = { kind: 'cron', expression: '* * * JAN *' };
    const start = performance.now();
    const found = momentsOf(dense, { dueMs: Date.UTC(2020, 0, 1), untilMs: Date.UTC(2027, 11, 1) });
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(found).toHaveLength(KEPT_OCCURRENCES);
    expect(found.at(-1)).toBe(Date.UTC(2027, 0, 31, 23, 59));
  });
});

describe('a run', () => {
  const run = { runId: 'r', failed: false };

  it('at its time ran; late, it caught up', () => {
    const at = (startedMs: number) =>
      fatesOfRun({ ...run, moments: [T0], startedMs, finishedMs: startedMs });
    expect(at(T0 + 60_000)).toMatchObject([{ fate: 'ran' }]);
    expect(at(T0 + 3_600_000)).toMatchObject([
      { dueMs: T0, fate: 'caught-up', atMs: T0 + 3_600_000, runId: 'r' },
    ]);
  });

  it('after three moments is one caught-up, into which two are merged', () => {
    const startedMs = T0 + 2 * DAY_MS + 5_000;
    const three = momentsOf(daily, { untilMs: startedMs });
    const fates = fatesOfRun({ ...run, moments: three, startedMs, finishedMs: startedMs + 1_000 });
    expect(fates.map(({ fate }) => fate)).toEqual(['merged', 'merged', 'caught-up']);
    expect(new Set(fates.map((fate) => 'runId' in fate && fate.runId))).toEqual(new Set(['r']));
  });

  it('takes in the moments that pass while it runs', () => {
    const every: Cadence = { kind: 'cron', expression: '* * * * *' };
    const passed = momentsOf(every, { untilMs: T0 + 130_000 });
    const fates = fatesOfRun({
      ...run,
      moments: passed,
      startedMs: T0 + 1_000,
      finishedMs: T0 + 130_000,
    });
    expect(fates.map(({ fate }) => fate)).toEqual(['ran', 'merged', 'merged']);
  });

  it('that failed says so for its moment', () => {
    const startedMs = T0 + DAY_MS;
    const two = momentsOf(daily, { untilMs: startedMs });
    const fates = fatesOfRun({
      moments: two,
      startedMs,
      finishedMs: startedMs,
      runId: 'r',
      failed: true,
    });
    expect(fates.map(({ fate }) => fate)).toEqual(['merged', 'failed']);
  });
});

describe('a tab', () => {
  it('ran the moment if it began since then, or within the ten minutes before', () => {
    expect(ranInForeground(began(T0 - 60_000), T0)).toBe(true);
    expect(ranInForeground(began(T0 + 60_000), T0)).toBe(true);
    expect(ranInForeground(began(T0 - 3_600_000), T0)).toBe(false);
    expect(
      ranInForeground([null, { source: 'server' }, { source: 'browser', startedAt: 'x' }], T0),
    ).toBe(false);
  });
});

const cadences: fc.Arbitrary<Cadence> = fc.oneof(
  fc.record({
    kind: fc.constant('interval' as const),
    everyMinutes: fc.integer({ min: 1, max: 3_000 }),
  }),
  fc.record({
    kind: fc.constant('daily' as const),
    atHour: fc.nat(23),
    atMinute: fc.nat(59),
    timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'Australia/Lord_Howe'),
  }),
  fc.record({
    kind: fc.constant('weekly' as const),
    dayOfWeek: fc.nat(6),
    atHour: fc.nat(23),
    timeZone: fc.constantFrom('America/New_York', 'UTC'),
  }),
  fc.record({
    kind: fc.constant('cron' as const),
    expression: fc.constantFrom(
      '*/7 * * * *',
      '0 9 * * MON-FRI',
      '30 2 * * *',
      '0 0 31 * *',
      '0 12 13 * FRI',
    ),
    timeZone: fc.constantFrom('Europe/Berlin', 'UTC'),
  }),
);

/** One stretch of a mission's life: how long nothing runs, whether then a run comes or somebody moves the time, and how long it takes. */
const stretches = fc.array(
  fc.record({
    waitMs: fc.oneof(fc.nat(5_000), fc.nat(3_600_000), fc.nat(20 * DAY_MS)),
    outcome: fc.constantFrom('run', 'run', 'fail', 'skip'),
    takesMs: fc.oneof(fc.nat(30_000), fc.nat(2 * 3_600_000)),
  }),
  { minLength: 1, maxLength: 12 },
);

describe('every due moment', () => {
  it('of any life of a mission has exactly one fate', () => {
    fc.assert(
      fc.property(cadences, stretches, (cadence, life) => {
        const question = { missionId: 'm', defaultZone: 'UTC' };
        const fates: Occurrence[] = [];
        const named: number[] = [];
        let cut = false;
        let due: number | null = T0;
        for (const { waitMs, outcome, takesMs } of life) {
          if (due === null) break;
          const startedMs: number = due + waitMs;
          const finishedMs = startedMs + takesMs;
          const isInterval = cadence.kind === 'interval';
          const untilMs = outcome === 'skip' || isInterval ? startedMs : finishedMs;
          const settledMs = fates.at(-1)?.dueMs ?? null;
          const moments = dueMoments({ ...question, cadence, dueMs: due, settledMs, untilMs });
          named.push(due);
          cut ||= moments.length === KEPT_OCCURRENCES;
          fates.push(
            ...(outcome === 'skip'
              ? fatesOfSkip(moments, 'rescheduled', startedMs)
              : fatesOfRun({
                  moments,
                  startedMs,
                  finishedMs,
                  runId: `r${named.length}`,
                  failed: outcome === 'fail',
                })),
          );
          const next = nextDue(cadence, { ...question, afterMs: untilMs });
          due = next.ok ? next.nextMs : null;
        }
        const times = fates.map(({ dueMs }) => dueMs);
        expect(new Set(times).size).toBe(times.length);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        for (const moment of named) expect(times).toContain(moment);
        // Between two of them no moment of the cadence is left out, as far as they are kept.
        const wall = cadence.kind !== 'interval' && !cut;
        for (const [index, time] of times.slice(0, -1).entries()) {
          const next = nextDue(cadence, { ...question, afterMs: time });
          if (wall) expect(next).toEqual({ ok: true, nextMs: times[index + 1] });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('that led to a run names it, and each run has one moment of its own', () => {
    fc.assert(
      fc.property(cadences, fc.nat(40 * DAY_MS), fc.nat(3_600_000), (cadence, waitMs, takesMs) => {
        const startedMs = T0 + waitMs;
        const finishedMs = startedMs + takesMs;
        const question = {
          cadence,
          missionId: 'm',
          defaultZone: 'UTC',
          dueMs: T0,
          settledMs: null,
        };
        const moments = dueMoments({ ...question, untilMs: finishedMs });
        const fates = fatesOfRun({ moments, startedMs, finishedMs, runId: 'r', failed: false });
        expect(fates.map(({ dueMs }) => dueMs)).toEqual(moments);
        expect(moments.length).toBeLessThanOrEqual(KEPT_OCCURRENCES);
        const own = fates.filter(({ fate }) => fate !== 'merged');
        expect(own).toHaveLength(1);
        expect(fates.every((fate) => 'runId' in fate && fate.runId === 'r')).toBe(true);
      }),
    );
  });
});
