import { expect, test } from 'vitest';
import { CHECKS } from '../../vectors/checks.ts';

test.each(CHECKS)('published vectors: $name', async ({ run }) => {
  const { found, wanted } = await run();
  expect(found).toEqual(wanted);
});
