import { expect, it } from 'vitest';
import { CHECKS } from '../vectors/checks.ts';

it.each(CHECKS)('inside workerd, published vectors: $name', async ({ run }) => {
  const { found, wanted } = await run();
  expect(found).toEqual(wanted);
});

it('needs our look at the key: workerd takes a forged signature under a key of small order', async () => {
  const neutral = Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? 1 : 0));
  const key = await crypto.subtle.importKey('raw', neutral, { name: 'Ed25519' }, true, ['verify']);
  const forged = new Uint8Array([...neutral, ...new Uint8Array(32)]);
  expect(await crypto.subtle.verify({ name: 'Ed25519' }, key, forged, new TextEncoder().encode('anything'))).toBe(true);
});
