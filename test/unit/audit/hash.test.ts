import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalArray, chainRows, rowHash } from '../../../src/audit/hash.ts';
import { type AuditContent, EMPTY_CHAIN } from '../../../src/audit/row.ts';

const ROW: AuditContent = {
  seq: 1,
  kind: 'attempt',
  missionId: 'm-1',
  iterationId: 'i-1',
  tableName: 'notes',
  recordId: 'n-1',
  status: 'pending',
  reason: null,
  ts: '2026-11-24T10:00:00.000Z',
};

/** RFC 8785, section 3.2.2.2, written from its text and without JSON.stringify. */
function escapedByTheRfc(text: string): string {
  const short: Record<number, string> = {
    8: '\\b',
    9: '\\t',
    10: '\\n',
    12: '\\f',
    13: '\\r',
    34: '\\"',
    92: '\\\\',
  };
  let out = '"';
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    out += short[point] ?? (point < 0x20 ? `\\u${point.toString(16).padStart(4, '0')}` : character);
  }
  return `${out}"`;
}

/** Every kind of character that an escape rule could treat specially. */
const text = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0xa0 }).map((point) => String.fromCodePoint(point)),
    fc.constantFrom(
      '"',
      '\\',
      '/',
      '\u007f',
      '\u2028',
      '\u2029',
      '\ufeff',
      '\uffff',
      '\u{1f600}',
      '\u{10ffff}',
      'é',
      'e\u0301',
    ),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
});

describe('canonical JSON', () => {
  it('escapes as RFC 8785 says, for any well-formed text, integer and null', () => {
    const item = fc.oneof(text, fc.maxSafeInteger(), fc.constant(null));
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const expected = items.map((one) =>
          typeof one === 'string' ? escapedByTheRfc(one) : String(one),
        );
        expect(canonicalArray(items)).toBe(`[${expected.join(',')}]`);
      }),
    );
  });

  it('keeps the example of RFC 8785, section 3.2.2', () => {
    expect(canonicalArray(['\u20ac$\u000f\nA\'B"\\\\"/'])).toBe(
      '["€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"]',
    );
  });

  it('knows no negative zero', () => {
    expect(canonicalArray([-0])).toBe('[0]');
  });

  it.each(['\ud800', '\udc00', 'a\udfffb', '\udc00\ud800'])(
    'refuses the lone surrogate in %j',
    (value) => {
      expect(() => canonicalArray([value])).toThrow(
        expect.objectContaining({ code: 'NOT_CANONICAL' }),
      );
    },
  );

  it.each([NaN, Infinity, -Infinity, 1.5, 2 ** 53])('refuses the number %d', (value) => {
    expect(() => canonicalArray([value])).toThrow(
      expect.objectContaining({ code: 'NOT_CANONICAL' }),
    );
  });
});

describe('the hash of a row', () => {
  it('is base64url SHA-256 of the JSON array that the design lists, as Node computes it', async () => {
    const json =
      '["",1,"user-1","m-1","i-1","notes","n-1","attempt","pending",null,"2026-11-24T10:00:00.000Z"]';
    const expected = createHash('sha256').update(json, 'utf8').digest('base64url');
    expect(await rowHash('user-1', '', ROW)).toBe(expected);
    expect(expected).toBe('YqzzBEX0vgQDOgg5k29p6U9Uqf9Hl2a7GjZOqDcQsqQ');
  });

  it('changes with every field, with the user and with the row before', async () => {
    const changed = [
      rowHash('user-1', '', ROW),
      rowHash('user-2', '', ROW),
      rowHash('user-1', 'x', ROW),
      rowHash('user-1', '', { ...ROW, seq: 2 }),
      rowHash('user-1', '', { ...ROW, kind: 'outcome' }),
      rowHash('user-1', '', { ...ROW, missionId: 'm-2' }),
      rowHash('user-1', '', { ...ROW, iterationId: null }),
      rowHash('user-1', '', { ...ROW, tableName: 'note' }),
      rowHash('user-1', '', { ...ROW, recordId: 'sn-1' }),
      rowHash('user-1', '', { ...ROW, status: 'ok' }),
      rowHash('user-1', '', { ...ROW, reason: '' }),
      rowHash('user-1', '', { ...ROW, ts: '2026-11-24T10:00:00.001Z' }),
    ];
    expect(new Set(await Promise.all(changed)).size).toBe(changed.length);
  });

  it('never takes one list of names for another, wherever their borders are', async () => {
    const names = fc.record({
      missionId: text,
      iterationId: text,
      tableName: text,
      recordId: text,
      reason: text,
    });
    await fc.assert(
      fc.asyncProperty(names, names, async (one, other) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(other));
        expect(await rowHash('u', '', { ...ROW, ...one })).not.toBe(
          await rowHash('u', '', { ...ROW, ...other }),
        );
      }),
    );
  });

  it('chains rows: each names the one before, seq goes on from the head', async () => {
    const { seq: _seq, ...content } = ROW;
    const [first, second] = await chainRows('u', EMPTY_CHAIN, [content, content]);
    expect([first?.seq, first?.prevHash]).toEqual([1, '']);
    expect([second?.seq, second?.prevHash]).toEqual([2, first?.hash]);
    const [third] = await chainRows('u', { seq: 2, hash: second?.hash ?? '' }, [content]);
    expect([third?.seq, third?.prevHash]).toEqual([3, second?.hash]);
  });
});
