import { describe, expect, it } from 'vitest';

import { firstDue, nextDue, parseCadence, type Cadence } from '../../../src/missions/cadence.ts';

const zone = 'Europe/Berlin';

function cadence(value: unknown): Cadence {
  const parsed = parseCadence(value);
  if (!parsed.ok) throw new Error(`invalid cadence ${JSON.stringify(value)}`);
  return parsed.cadence;
}

const cron = (expression: string, timeZone?: string) => ({ kind: 'cron', expression, timeZone });
const daily = (atHour: number, atMinute: number, timeZone?: string) => ({
  kind: 'daily',
  atHour,
  atMinute,
  timeZone,
});

/** The next `count` due instants, each asked from the one before. */
function series(value: unknown, after: string, count: number, defaultZone = zone): string[] {
  const parsed = cadence(value);
  const found: string[] = [];
  let afterMs = Date.parse(after);
  while (found.length < count) {
    const due = nextDue(parsed, { afterMs, missionId: 'm', defaultZone });
    if (!due.ok || due.nextMs === null) break;
    afterMs = due.nextMs;
    found.push(new Date(afterMs).toISOString().replace('.000Z', 'Z'));
  }
  return found;
}

describe('the table of the cadence policy', () => {
  it.each<[unknown, string, string, string[]]>([
    [daily(2, 30), zone, '2027-03-28T00:00:00Z', ['2027-03-28T01:00:00Z']],
    [daily(2, 30), zone, '2027-03-28T01:00:00Z', ['2027-03-29T00:30:00Z']],
    [daily(2, 30), zone, '2027-10-31T00:00:00Z', ['2027-10-31T00:30:00Z']],
    [daily(2, 30), zone, '2027-10-31T00:30:00Z', ['2027-11-01T01:30:00Z']],
    [
      cron('*/30 2 * * *'),
      zone,
      '2027-10-30T23:00:00Z',
      ['2027-10-31T00:00:00Z', '2027-10-31T00:30:00Z', '2027-11-01T01:00:00Z'],
    ],
    [
      cron('0 * * * *'),
      zone,
      '2027-10-31T00:00:00Z',
      ['2027-10-31T01:00:00Z', '2027-10-31T02:00:00Z'],
    ],
    [cron('15 2 * * *'), 'Australia/Lord_Howe', '2027-10-02T15:00:00Z', ['2027-10-02T15:30:00Z']],
    [cron('0 0 31 * *'), 'UTC', '2027-01-31T00:00:00Z', ['2027-03-31T00:00:00Z']],
    [cron('0 0 29 2 *'), 'UTC', '2027-01-01T00:00:00Z', ['2028-02-29T00:00:00Z']],
    [
      cron('0 12 13 * FRI'),
      'UTC',
      '2027-08-12T12:00:00Z',
      ['2027-08-13T12:00:00Z', '2027-08-20T12:00:00Z'],
    ],
    [
      { kind: 'weekly', dayOfWeek: 0, atHour: 9 },
      'America/New_York',
      '2027-03-14T06:00:00Z',
      ['2027-03-14T13:00:00Z'],
    ],
  ])('%j in %s after %s is due at %j', (value, inZone, after, expected) => {
    expect(series(value, after, expected.length, inZone)).toEqual(expected);
    expect(
      series({ ...(value as object), timeZone: inZone }, after, expected.length, 'Asia/Tokyo'),
    ).toEqual(expected);
  });
});

describe('rule 1: local wall-clock moments in the zone of the cadence, each once', () => {
  it('keeps the local time over a change of clocks', () => {
    expect(series(daily(9, 0), '2027-03-27T00:00:00Z', 2)).toEqual([
      '2027-03-27T08:00:00Z',
      '2027-03-28T07:00:00Z',
    ]);
  });
  it('is strictly later than the instant asked from, to the millisecond', () => {
    expect(series(daily(9, 0, 'UTC'), '2027-05-01T09:00:00.000Z', 1)).toEqual([
      '2027-05-02T09:00:00Z',
    ]);
    expect(series(daily(9, 0, 'UTC'), '2027-05-01T08:59:59.999Z', 1)).toEqual([
      '2027-05-01T09:00:00Z',
    ]);
    expect(series(daily(9, 0, 'UTC'), '2027-05-01T09:00:00.001Z', 1)).toEqual([
      '2027-05-02T09:00:00Z',
    ]);
  });
  it('takes the default zone only where the cadence names none', () => {
    expect(series(daily(9, 0), '2027-05-01T00:00:00Z', 1, 'UTC')).toEqual(['2027-05-01T09:00:00Z']);
    expect(series(daily(9, 0, 'Asia/Kathmandu'), '2027-05-01T00:00:00Z', 1, 'UTC')).toEqual([
      '2027-05-01T03:15:00Z',
    ]);
    expect(series({ ...daily(9, 0), timeZone: null }, '2027-05-01T00:00:00Z', 1, 'UTC')).toEqual([
      '2027-05-01T09:00:00Z',
    ]);
  });
});

describe('rule 2: a moment inside a gap is due at its end', () => {
  it('several moments in one gap are one run', () => {
    expect(series(cron('*/20 2 * * *'), '2027-03-28T00:00:00Z', 2)).toEqual([
      '2027-03-28T01:00:00Z',
      '2027-03-29T00:00:00Z',
    ]);
  });
  it('the end of the gap itself is not due twice', () => {
    expect(series(cron('30 2,3 * * *'), '2027-03-28T00:00:00Z', 3)).toEqual([
      '2027-03-28T01:00:00Z',
      '2027-03-28T01:30:00Z',
      '2027-03-29T00:30:00Z',
    ]);
    expect(series(cron('0 2,3 * * *'), '2027-03-28T00:00:00Z', 2)).toEqual([
      '2027-03-28T01:00:00Z',
      '2027-03-29T00:00:00Z',
    ]);
  });
  it('a gap at midnight counts for the day that it begins', () => {
    // Santiago goes from 24:00 on Saturday, 2027-09-04 to 01:00 on Sunday.
    expect(series(daily(0, 0), '2027-09-05T00:00:00Z', 1, 'America/Santiago')).toEqual([
      '2027-09-05T04:00:00Z',
    ]);
    expect(series(cron('30 0 * * SUN'), '2027-09-05T00:00:00Z', 1, 'America/Santiago')).toEqual([
      '2027-09-05T04:00:00Z',
    ]);
  });
});

describe('rule 3: a repeated moment', () => {
  it('is due at its first occurrence only, also when asked from inside the repeated hour', () => {
    expect(series(cron('* 2 * * *'), '2027-10-31T00:59:00Z', 1)).toEqual(['2027-11-01T01:00:00Z']);
    expect(series(cron('* 2 * * *'), '2027-10-31T01:15:00Z', 1)).toEqual(['2027-11-01T01:00:00Z']);
    expect(series(cron('0 0-23 * * *'), '2027-10-31T00:00:00Z', 1)).toEqual([
      '2027-10-31T02:00:00Z',
    ]);
  });
  it('is due at both where the hour field is *', () => {
    expect(series(cron('*/30 * * * *'), '2027-10-30T23:45:00Z', 5)).toEqual([
      '2027-10-31T00:00:00Z',
      '2027-10-31T00:30:00Z',
      '2027-10-31T01:00:00Z',
      '2027-10-31T01:30:00Z',
      '2027-10-31T02:00:00Z',
    ]);
    expect(series(cron('@hourly'), '2027-10-31T00:00:00Z', 2)).toEqual([
      '2027-10-31T01:00:00Z',
      '2027-10-31T02:00:00Z',
    ]);
  });
  it('comes again by half an hour in Lord Howe', () => {
    // 02:00 at +11 becomes 01:30 at +10:30 on 2027-04-04.
    expect(series(cron('45 * * * *'), '2027-04-03T14:30:00Z', 3, 'Australia/Lord_Howe')).toEqual([
      '2027-04-03T14:45:00Z',
      '2027-04-03T15:15:00Z',
      '2027-04-03T16:15:00Z',
    ]);
  });
});

describe('rule 4: interval', () => {
  const hourly = cadence({ kind: 'interval', everyMinutes: 60 });
  const question = { afterMs: 1_000_000, missionId: 'mission-1', defaultZone: zone };
  it('counts elapsed time from the start of the last run', () => {
    expect(nextDue(hourly, question)).toEqual({ ok: true, nextMs: 1_000_000 + 3_600_000 });
    expect(series({ kind: 'interval', everyMinutes: 1440 }, '2027-03-27T12:00:00Z', 1)).toEqual([
      '2027-03-28T12:00:00Z',
    ]);
  });
  it('needs no zone', () => {
    expect(nextDue(hourly, { ...question, defaultZone: 'No/Where' }).ok).toBe(true);
  });
  it('first spread: a jitter that is small, stable for an id and different among ids', () => {
    const jitters = Array.from({ length: 200 }, (_, index) => {
      const due = firstDue(hourly, { ...question, missionId: `mission-${index}` });
      return due.ok ? (due.nextMs ?? Number.NaN) - 4_600_000 : Number.NaN;
    });
    expect(Math.min(...jitters)).toBeGreaterThanOrEqual(0);
    expect(Math.min(...jitters)).toBeLessThan(30_000);
    expect(Math.max(...jitters)).toBeLessThan(300_000);
    expect(Math.max(...jitters)).toBeGreaterThan(270_000);
    expect(new Set(jitters).size).toBeGreaterThan(190);
    expect(firstDue(hourly, question)).toEqual(firstDue(hourly, { ...question }));
  });
  it('first spread stays under a tenth of a short interval', () => {
    const due = firstDue(cadence({ kind: 'interval', everyMinutes: 1 }), question);
    expect(due.ok && due.nextMs !== null && due.nextMs < 1_000_000 + 66_000).toBe(true);
  });
  it('daily, weekly, cron and manual have no jitter', () => {
    for (const value of [
      daily(9, 0),
      { kind: 'weekly', dayOfWeek: 1, atHour: 1 },
      cron('@daily'),
      { kind: 'manual' },
    ]) {
      expect(firstDue(cadence(value), question)).toEqual(nextDue(cadence(value), question));
    }
  });
});

describe('rule 5: after downtime', () => {
  it('asked from now, the next regular moment is one, however many were missed', () => {
    expect(series(cron('0 9 * * *', 'UTC'), '2027-06-30T09:30:00Z', 1)).toEqual([
      '2027-07-01T09:00:00Z',
    ]);
  });
});

describe('rule 6: days', () => {
  it('day of month and day of week both given: either matches', () => {
    expect(series(cron('0 0 1,15 * MON', 'UTC'), '2027-02-01T00:00:00Z', 4)).toEqual([
      '2027-02-08T00:00:00Z',
      '2027-02-15T00:00:00Z',
      '2027-02-22T00:00:00Z',
      '2027-03-01T00:00:00Z',
    ]);
  });
  it('29 February spans the eight years around 2100', () => {
    expect(series(cron('0 0 29 2 *', 'UTC'), '2096-02-29T00:00:00Z', 1)).toEqual([
      '2104-02-29T00:00:00Z',
    ]);
  });
  it('an impossible day of the month beside a weekday still leaves the weekday', () => {
    expect(series(cron('0 0 30 2 MON', 'UTC'), '2027-01-31T00:00:00Z', 2)).toEqual([
      '2027-02-01T00:00:00Z',
      '2027-02-08T00:00:00Z',
    ]);
  });
  it('months that are not named are skipped', () => {
    expect(series(cron('0 0 1 JAN,jul *', 'UTC'), '2027-01-01T00:00:00Z', 2)).toEqual([
      '2027-07-01T00:00:00Z',
      '2028-01-01T00:00:00Z',
    ]);
  });
});

describe('rule 7: cron', () => {
  it.each<[string, string[]]>([
    ['@hourly', ['2027-06-02T13:00:00Z']],
    ['@daily', ['2027-06-03T00:00:00Z']],
    ['@weekly', ['2027-06-06T00:00:00Z', '2027-06-13T00:00:00Z']],
    ['@monthly', ['2027-07-01T00:00:00Z']],
    ['@yearly', ['2028-01-01T00:00:00Z']],
    [
      '  0  9 * * mon-Fri ',
      ['2027-06-03T09:00:00Z', '2027-06-04T09:00:00Z', '2027-06-07T09:00:00Z'],
    ],
    ['0 0 * * 7', ['2027-06-06T00:00:00Z']],
    ['0 0 * * 0', ['2027-06-06T00:00:00Z']],
    ['0 0 * * 6-7', ['2027-06-05T00:00:00Z', '2027-06-06T00:00:00Z', '2027-06-12T00:00:00Z']],
    ['0 0 * * 1/2', ['2027-06-04T00:00:00Z', '2027-06-07T00:00:00Z', '2027-06-09T00:00:00Z']],
    [
      '5/25 10-14/2,20 * * *',
      ['2027-06-02T12:30:00Z', '2027-06-02T12:55:00Z', '2027-06-02T14:05:00Z'],
    ],
    ['59 23 31 DEC *', ['2027-12-31T23:59:00Z']],
  ])('%s is understood', (expression, expected) => {
    expect(series(cron(expression), '2027-06-02T12:05:00Z', expected.length, 'UTC')).toEqual(
      expected,
    );
  });
  const OF_WEEK = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
  it.each([
    ['MON-SUN', OF_WEEK],
    ['SAT-SUN', ['SUN', 'SAT']],
    ['FRI-MON', ['SUN', 'MON', 'FRI', 'SAT']],
    ['SUN-TUE', ['SUN', 'MON', 'TUE']],
    ['5-7', ['SUN', 'FRI', 'SAT']],
    ['7-2', ['SUN', 'MON', 'TUE']],
    ['0-7', OF_WEEK],
    ['6-1', ['SUN', 'MON', 'SAT']],
    ['FRI-MON/2', ['SUN', 'FRI']],
    ['THU-SUN,TUE', ['SUN', 'TUE', 'THU', 'FRI', 'SAT']],
  ])('days of the week %s are %j', (field, expected) => {
    const days = new Set(
      // 2027-06-06 is a Sunday.
      series(cron(`0 0 * * ${field}`), '2027-06-05T12:00:00Z', expected.length, 'UTC').map(
        (instant) => OF_WEEK[new Date(instant).getUTCDay()] ?? '',
      ),
    );
    expect([...days].toSorted()).toEqual(expected.toSorted());
  });
  it.each([
    '',
    '* * * *',
    '0 * * * * *',
    '0 0 30 2 *',
    '0 0 31 2 *',
    '0 0 31 4,6,9,11 *',
    '0 0 L * *',
    '0 0 * * 5L',
    '0 0 15W * *',
    '0 0 * * 5#2',
    '0 0 ? * *',
    '60 * * * *',
    '-1 * * * *',
    '* 24 * * *',
    '0 0 0 * *',
    '0 0 32 * *',
    '0 0 * 0 *',
    '0 0 * 13 *',
    '0 0 * * 8',
    '0 22-2 * * *',
    '0 0 * OCT-MAR *',
    '0 0 * * MONDAY',
    '0 0 MON * *',
    '0 0 * ABC *',
    '*/0 * * * *',
    '*/61 * * * *',
    '1,,2 * * * *',
    '1, * * * *',
    '1.5 * * * *',
    '1e1 * * * *',
    '@reboot',
    '@constructor',
    '* * * * *\n* * * * *',
    '0 0 * * *'.padEnd(600, ','),
    `${'0,'.repeat(400)}0 0 * * *`,
  ])('%j is invalid', (expression) => {
    expect(parseCadence(cron(expression))).toEqual({ ok: false });
  });
});

describe('rule 8 and the ranges: out of range is invalid, never wrapped', () => {
  it('weekly without a minute runs at minute 0', () => {
    const weekly = { kind: 'weekly', dayOfWeek: 6, atHour: 23, timeZone: 'UTC' };
    expect(series(weekly, '2027-06-02T00:00:00Z', 1)).toEqual(['2027-06-05T23:00:00Z']);
    expect(series({ ...weekly, atMinute: null }, '2027-06-02T00:00:00Z', 1)).toEqual([
      '2027-06-05T23:00:00Z',
    ]);
    expect(series({ ...weekly, atMinute: 59 }, '2027-06-02T00:00:00Z', 1)).toEqual([
      '2027-06-05T23:59:00Z',
    ]);
  });
  it.each<[unknown]>([
    [undefined],
    [null],
    ['daily'],
    [[]],
    [{}],
    [{ kind: 'hourly' }],
    [{ kind: 'interval' }],
    [{ kind: 'interval', everyMinutes: 0 }],
    [{ kind: 'interval', everyMinutes: 0.5 }],
    [{ kind: 'interval', everyMinutes: -5 }],
    [{ kind: 'interval', everyMinutes: '60' }],
    [{ kind: 'interval', everyMinutes: Number.NaN }],
    [{ kind: 'interval', everyMinutes: Number.POSITIVE_INFINITY }],
    [{ kind: 'interval', everyMinutes: 1e12 }],
    [daily(24, 0)],
    [daily(-1, 0)],
    [daily(0, 60)],
    [daily(9.5, 0)],
    [{ kind: 'daily', atHour: 9 }],
    [daily(9, 0, 'Mars/Olympus')],
    [daily(9, 0, '')],
    [daily(9, 0, 'x'.repeat(100_000))],
    [{ kind: 'weekly', dayOfWeek: 7, atHour: 9 }],
    [{ kind: 'weekly', dayOfWeek: -1, atHour: 9 }],
    [{ kind: 'weekly', dayOfWeek: 1, atHour: 24 }],
    [{ kind: 'cron' }],
    [{ kind: 'cron', expression: 5 }],
    [cron('0 0 * * *', 'Nowhere')],
  ])('%j is invalid', (value) => {
    expect(parseCadence(value)).toEqual({ ok: false });
  });
  it('manual has no next time', () => {
    expect(
      nextDue(cadence({ kind: 'manual' }), { afterMs: 0, missionId: 'm', defaultZone: zone }),
    ).toEqual({
      ok: true,
      nextMs: null,
    });
  });
  it('an unknown default zone is refused where it is needed', () => {
    const question = { afterMs: 0, missionId: 'm', defaultZone: 'No/Where' };
    expect(nextDue(cadence(daily(9, 0)), question)).toEqual({
      ok: false,
      reason: 'invalid-cadence',
    });
    expect(nextDue(cadence(daily(9, 0, 'UTC')), question).ok).toBe(true);
  });
  it('an instant at the end of the calendar has no next one', () => {
    for (const afterMs of [8.64e15, -8.64e15, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(nextDue(cadence(daily(9, 0)), { afterMs, missionId: 'm', defaultZone: zone })).toEqual(
        {
          ok: true,
          nextMs: null,
        },
      );
    }
  });
});
