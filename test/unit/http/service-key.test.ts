import { describe, expect, test } from 'vitest';
import { serviceKeyMatches } from '../../../src/http/service-key.ts';

describe('service keys', () => {
  test('only the very same key matches', async () => {
    expect(await serviceKeyMatches('key-1', 'key-1')).toBe(true);
    for (const given of ['', 'key-2', 'key-1 ', 'KEY-1', 'key-11']) {
      expect(await serviceKeyMatches(given, 'key-1')).toBe(false);
    }
  });
});
