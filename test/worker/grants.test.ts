import { expect, it } from 'vitest';
import { CHECKS } from '../vectors/checks.ts';

it.each(CHECKS)('inside workerd, published vectors: $name', async ({ run }) => {
  const { found, wanted } = await run();
  expect(found).toEqual(wanted);
});
