import { expect, test } from 'vitest';
import { pseudonym } from '../../../src/telemetry/pseudonym.ts';

test('a pseudonym is the first 12 hex digits of the SHA-256 of the id', async () => {
  // The digest of 'abc' in FIPS 180-2, appendix B.1.
  expect(await pseudonym('abc')).toBe('ba7816bf8f01');
});

test('different ids of any kind get different pseudonyms of the same form', async () => {
  const ids = ['', 'a', 'A', 'ü', 'u\u0308', 'x'.repeat(9_000)];
  const pseudonyms = await Promise.all(ids.map(pseudonym));
  expect(new Set(pseudonyms).size).toBe(ids.length);
  for (const text of pseudonyms) expect(text).toMatch(/^[0-9a-f]{12}$/);
});
