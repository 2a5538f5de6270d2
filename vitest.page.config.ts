import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Real browsers against real processes; one file after the other, since each has both cores to itself.
  test: {
    name: 'page',
    include: ['test/page/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
