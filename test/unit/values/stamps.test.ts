import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareStamps,
  EARLIEST_US,
  formatStamp,
  LATEST_US,
  parseStamp,
} from '../../../src/values/stamps.ts';

describe('stamps', () => {
  it.each([
    ['1970-01-01T00:00:00Z', 0],
    ['1970-01-01T00:00:00.000001Z', 1],
    ['1970-01-01T00:00:00.0000019Z', 1],
    ['1970-01-01T00:00:00.5Z', 500_000],
    ['1969-12-31T23:59:59.999999Z', -1],
    ['1970-01-01T02:00:00+02:00', 0],
    ['1969-12-31T18:30:00-05:30', 0],
    ['1970-01-01T00:00:00-00:00', 0],
    ['1970-01-01t00:00:00z', 0],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29) * 1000],
    ['2000-02-29T00:00:00Z', Date.UTC(2000, 1, 29) * 1000],
  ])('%s is %d µs', (text, us) => {
    expect(parseStamp(text)).toBe(us);
  });

  it.each([
    '2026-01-01',
    '2026-01-01T10:00:00',
    '2026-01-01 10:00:00Z',
    '2026-01-01T10:00Z',
    '2026-01-01T10:00:00.Z',
    '2026-01-01T10:00:00+0200',
    '2026-01-01T10:00:00+24:00',
    '2026-01-01T10:00:00+02:60',
    '2026-01-01T24:00:00Z',
    '2026-12-31T23:59:60Z',
    '2026-02-30T10:00:00Z',
    '2026-02-29T10:00:00Z',
    '1900-02-29T10:00:00Z',
    '2026-04-31T10:00:00Z',
    '2026-00-01T10:00:00Z',
    '2026-13-01T10:00:00Z',
    '2026-01-00T10:00:00Z',
    '+002026-01-01T10:00:00Z',
    ' 2026-01-01T10:00:00Z',
    '2026-01-01T10:00:00Z\n',
    '٢٠٢٦-01-01T10:00:00Z',
    'infinity',
    '',
    `2026-01-01T10:00:00.${'1'.repeat(100)}Z`,
    1_767_261_600_000,
    null,
    undefined,
    {},
    ['2026-01-01T10:00:00Z'],
  ])('%j is no date', (value) => {
    expect(parseStamp(value)).toBeNull();
  });

  it('instants outside the exact range count as its bounds', () => {
    expect(parseStamp('0001-01-01T00:00:00Z')).toBe(EARLIEST_US);
    expect(parseStamp('0000-01-01T00:00:00+23:59')).toBe(EARLIEST_US);
    expect(parseStamp('1699-12-31T23:59:59Z')).toBe(EARLIEST_US);
    expect(parseStamp('9999-12-31T23:59:59.999999Z')).toBe(LATEST_US);
    expect(Number.isSafeInteger(EARLIEST_US) && Number.isSafeInteger(LATEST_US)).toBe(true);
  });

  it('compares as instants where text order is wrong', () => {
    const base = parseStamp('2026-01-01T10:00:00Z')!;
    expect(compareStamps(base, parseStamp('2026-01-01T10:00:00.500Z')!)).toBeLessThan(0);
    expect(compareStamps(base, parseStamp('2026-01-01T12:00:00+02:00')!)).toBe(0);
    expect(
      compareStamps(
        parseStamp('2026-01-01T10:00:00.000001Z')!,
        parseStamp('2026-01-01T10:00:00.000002Z')!,
      ),
    ).toBeLessThan(0);
  });

  it('reads what it writes, to the microsecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: EARLIEST_US, max: LATEST_US }), (us) => {
        expect(parseStamp(formatStamp(us))).toBe(us);
      }),
    );
  });

  it('agrees with Date on every valid instant of its range', () => {
    const range = {
      min: new Date(EARLIEST_US / 1000),
      max: new Date(LATEST_US / 1000),
      noInvalidDate: true,
    };
    fc.assert(
      fc.property(fc.date(range), (date) => {
        expect(parseStamp(date.toISOString())).toBe(date.getTime() * 1000);
      }),
    );
  });
});
