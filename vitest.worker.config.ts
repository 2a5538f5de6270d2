import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { freePort } from './scripts/process/free-port.ts';

// The bindings are fixed before the database runs, so its port is chosen here and given to the set-up by the environment.
const port = Number((process.env['MANA_TEST_POSTGRES_PORT'] ??= String(await freePort())));

export default defineConfig({
  plugins: [
    cloudflareTest({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        bindings: {
          DATABASE_URL: `postgres://postgres:test@127.0.0.1:${port}/postgres`,
          MANA_LLM_URL: 'http://127.0.0.1:9/v1',
          MANA_LLM_MODEL: 'none',
          MANA_AI_TICK_ENABLED: 'false',
          MANA_LLM_MAX_CONCURRENCY: '2',
        },
      },
    }),
  ],
  test: {
    name: 'worker',
    include: ['test/worker/**/*.test.ts'],
    globalSetup: ['test/worker/database.ts'],
    testTimeout: 30_000,
  },
});
