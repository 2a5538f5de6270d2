import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutText, oneLine, stripThoughts } from '../../../src/planner/text.ts';
import { readableDate } from '../../../src/planner/tools/readable-date.ts';

describe('cutText', () => {
  it('keeps a short text and marks a cut', () => {
    expect(cutText('abc', 3)).toBe('abc');
    expect(cutText('abcd', 3)).toBe('ab…');
  });

  it('never cuts a character in two', () => {
    expect(cutText('🙂🙂🙂', 4)).toBe('🙂…');
  });

  it('is well-formed and within its length for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(40), (text, max) => {
        const cut = cutText(text, max);
        expect(cut.isWellFormed()).toBe(true);
        expect(cut.length).toBeLessThanOrEqual(max);
      }),
    );
  });
});

describe('oneLine', () => {
  it('is one line without controls, bidi overrides and zero-width characters', () => {
    expect(oneLine('  a\r\n\tb\u202e\u200bc\u0007 ', 20)).toBe('a bc');
  });
});

describe('stripThoughts', () => {
  it.each([
    ['<think>hm</think>Yes.', 'Yes.'],
    ['<THINKING>hm</THINKING>Yes.', 'Yes.'],
    ['One <think>a</think>and <think>b</think>two.', 'One and two.'],
    ['hm, hm</think>Yes.', 'Yes.'],
    ['Yes. <think>never ends', 'Yes.'],
    ['no thoughts', 'no thoughts'],
    ['<think>only</think>', ''],
  ])('%j leaves %j', (text, expected) => {
    expect(stripThoughts(text)).toBe(expected);
  });

  it('takes time that grows with the text alone', () => {
    const started = performance.now();
    stripThoughts('<think>'.repeat(100_000));
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('readableDate', () => {
  it.each([
    ['2027-01-08', 'Friday, 8 January 2027'],
    ['2027-01-08T09:00:00Z', 'Friday, 8 January 2027, 09:00 UTC'],
    ['2027-01-08T09:00:00.000+01:00', 'Friday, 8 January 2027, 09:00 +01:00'],
    ['2027-01-08T09:00', 'Friday, 8 January 2027, 09:00'],
    ['2027-02-30', '2027-02-30'],
    ['next Friday', 'next Friday'],
  ])('says %s as %s', (text, said) => {
    expect(readableDate(text)).toBe(said);
  });
});
