import * as fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, it } from 'vitest';

import { nextDue, parseCadence, type Cadence } from '../../../src/missions/cadence.ts';

/** Zones with every kind of change: whole and half hours, two hours, at midnight, around Ramadan, none. */
const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Santiago',
  'America/Havana',
  'Australia/Lord_Howe',
  'Pacific/Chatham',
  'Antarctica/Troll',
  'Africa/Casablanca',
  'Africa/Cairo',
  'Asia/Beirut',
  'Asia/Kathmandu',
];

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 0, 1);
const END_MS = Date.UTC(2036, 0, 1);

/** A cadence as lists of values, and the same as a device would write it. */
type Case = {
  cadence: Cadence;
  hours: number[] | null;
  minutes: number[];
  months: number[] | null;
  days: number[] | null;
  weekdays: number[] | null;
};

const someOf = (min: number, max: number, maxLength: number) =>
  fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength });
const orStar = (values: fc.Arbitrary<number[]>) => fc.option(values, { nil: null, freq: 2 });
const field = (values: number[] | null) => values?.join(',') ?? '*';
const everyMinute = Array.from({ length: 60 }, (_, minute) => minute);

const cronCase: fc.Arbitrary<Case> = fc
  .record({
    hours: fc.oneof(orStar(someOf(0, 3, 3)), orStar(someOf(0, 23, 4))),
    minutes: orStar(someOf(0, 59, 4)),
    months: orStar(someOf(1, 12, 6)),
    days: orStar(someOf(1, 28, 4)),
    weekdays: orStar(someOf(0, 6, 3)),
  })
  .map(({ hours, minutes, months, days, weekdays }) => ({
    cadence: cron([minutes, hours, days, months, weekdays].map(field).join(' ')),
    hours,
    minutes: minutes ?? everyMinute,
    months,
    days,
    weekdays,
  }));

const clock = fc.record({
  atHour: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 23 })),
  atMinute: fc.integer({ min: 0, max: 59 }),
});
const dailyCase: fc.Arbitrary<Case> = clock.map((time) =>
  fixedTime({ kind: 'daily', ...time }, null),
);
const weeklyCase: fc.Arbitrary<Case> = fc
  .tuple(clock, fc.integer({ min: 0, max: 6 }))
  .map(([time, dayOfWeek]) => fixedTime({ kind: 'weekly', dayOfWeek, ...time }, [dayOfWeek]));

function cron(expression: string): Cadence {
  return { kind: 'cron', expression };
}

function fixedTime(
  cadence: Extract<Cadence, { kind: 'daily' | 'weekly' }>,
  weekdays: number[] | null,
): Case {
  const { atHour, atMinute } = cadence;
  return { cadence, hours: [atHour], minutes: [atMinute ?? 0], months: null, days: null, weekdays };
}

/** A zone and an instant in it, two of three times within 30 hours of a change of its clocks, often within one. */
const placeAndTime = fc
  .tuple(
    fc.constantFrom(...zones),
    fc.integer({ min: START_MS, max: END_MS }),
    fc.oneof(
      fc.integer({ min: -30 * HOUR_MS, max: 3 * HOUR_MS }),
      fc.integer({ min: -HOUR_MS, max: HOUR_MS }),
    ),
    fc.integer({ min: 0, max: 2 }),
  )
  .map(([zone, anyMs, distanceMs, kind]) => {
    const change = Temporal.Instant.fromEpochMilliseconds(anyMs)
      .toZonedDateTimeISO(zone)
      .getTimeZoneTransition('next');
    return {
      zone,
      afterMs: kind === 0 || change === null ? anyMs : change.epochMilliseconds + distanceMs,
    };
  });

/** Due instants of one local date, ascending, straight from the policy's words. */
function dueOn(
  date: Temporal.PlainDate,
  spec: Case,
  zone: string,
  from: Temporal.PlainDateTime,
): number[] {
  const inMonth = spec.months?.includes(date.month) ?? true;
  const byDay = spec.days?.includes(date.day) ?? false;
  const byWeekday = spec.weekdays?.includes(date.dayOfWeek % 7) ?? false;
  if (!inMonth || !(byDay || byWeekday || (spec.days === null && spec.weekdays === null)))
    return [];
  const due = new Set<number>();
  for (const hour of spec.hours ?? Array.from({ length: 24 }, (_, index) => index)) {
    for (const minute of spec.minutes) {
      const moment = date.toPlainDateTime({ hour, minute });
      if (Temporal.PlainDateTime.compare(moment, from) < 0) continue;
      for (const instant of instantsOf(moment, zone, spec.hours === null)) due.add(instant);
    }
  }
  return [...due].toSorted((a, b) => a - b);
}

function instantsOf(moment: Temporal.PlainDateTime, zone: string, everyHour: boolean): number[] {
  const earlier = moment.toZonedDateTime(zone, { disambiguation: 'earlier' });
  const later = moment.toZonedDateTime(zone, { disambiguation: 'later' });
  if (!earlier.toPlainDateTime().equals(moment)) {
    const gap = earlier.getTimeZoneTransition('next');
    if (gap === null) throw new Error('a skipped moment without a change of clocks');
    return [gap.epochMilliseconds];
  }
  return everyHour
    ? [earlier.epochMilliseconds, later.epochMilliseconds]
    : [earlier.epochMilliseconds];
}

/** All due instants in (afterMs, untilMs]. */
function oracle(spec: Case, zone: string, afterMs: number, untilMs: number): number[] {
  const start = Temporal.Instant.fromEpochMilliseconds(afterMs)
    .toZonedDateTimeISO(zone)
    .toPlainDateTime();
  const end = Temporal.Instant.fromEpochMilliseconds(untilMs)
    .toZonedDateTimeISO(zone)
    .toPlainDate()
    .add({ days: 1 });
  // A repeated moment may lie up to the length of the repetition before the present local time.
  const from = start.subtract({ hours: 3 });
  const found = new Set<number>();
  for (
    let date = from.toPlainDate();
    Temporal.PlainDate.compare(date, end) <= 0;
    date = date.add({ days: 1 })
  ) {
    for (const instant of dueOn(date, spec, zone, from)) {
      if (instant > afterMs && instant <= untilMs) found.add(instant);
    }
  }
  return [...found].toSorted((a, b) => a - b);
}

function next(cadence: Cadence, zone: string, afterMs: number): number {
  const due = nextDue(cadence, { afterMs, missionId: 'm', defaultZone: zone });
  if (!due.ok || due.nextMs === null) throw new Error('no next time');
  return due.nextMs;
}

/** Due instants in (afterMs, untilMs], each asked from the one before. */
function chain(cadence: Cadence, zone: string, afterMs: number, untilMs: number): number[] {
  const found: number[] = [];
  for (let at = next(cadence, zone, afterMs); at <= untilMs; at = next(cadence, zone, at))
    found.push(at);
  return found;
}

describe('against an oracle made of Temporal', () => {
  const anyCase = fc.oneof({ arbitrary: cronCase, weight: 3 }, dailyCase, weeklyCase);

  it('every named moment of a window is due exactly once, in order', () => {
    fc.assert(
      fc.property(anyCase, placeAndTime, (spec, { zone, afterMs }) => {
        const untilMs = afterMs + (spec.minutes.length === 60 ? 5 : 72) * HOUR_MS;
        expect(parseCadence(spec.cadence).ok).toBe(true);
        expect(chain(spec.cadence, zone, afterMs, untilMs)).toEqual(
          oracle(spec, zone, afterMs, untilMs),
        );
      }),
      { numRuns: 400 },
    );
  });

  it('the next time is the first one, however far ahead', () => {
    fc.assert(
      fc.property(anyCase, placeAndTime, (spec, { zone, afterMs }) => {
        const due = next(spec.cadence, zone, afterMs);
        expect(due).toBeGreaterThan(afterMs);
        // Nothing in between, checked by days that match rather than by minutes: the oracle skips other days at once.
        expect(oracle(spec, zone, afterMs, due)).toEqual([due]);
      }),
      { numRuns: 200 },
    );
  });

  it('the answer is stable: asked again, and from anywhere in between', () => {
    fc.assert(
      fc.property(
        anyCase,
        placeAndTime,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (spec, place, part) => {
          const due = next(spec.cadence, place.zone, place.afterMs);
          const between = Math.min(
            due - 1,
            Math.floor(place.afterMs + (due - place.afterMs) * part),
          );
          expect(next(spec.cadence, place.zone, place.afterMs)).toBe(due);
          expect(next(spec.cadence, place.zone, between)).toBe(due);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('no text and no JSON value makes the parser throw', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(...'0123456789*/,-LW#? @MONFRI'.split('')) }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), texts.map(cron)), (value) => {
        const parsed = parseCadence(value);
        if (!parsed.ok) return;
        expect(
          nextDue(parsed.cadence, { afterMs: START_MS, missionId: 'm', defaultZone: 'UTC' }).ok,
        ).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
