import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Files start whole processes; one after the other they have the machine's two cores to themselves.
  test: {
    name: 'system',
    include: ['test/system/**/*.test.ts'],
    testTimeout: 90_000,
    hookTimeout: 90_000,
    fileParallelism: false,
  },
});
