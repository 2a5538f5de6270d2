import { expect, test } from 'vitest';
import { createApp } from '../../../src/mana-auth/app.ts';
import { parseManaAuthConfig } from '../../../src/config/mana-auth.ts';
import { createLogger } from '../../../src/telemetry/logs.ts';
import { danglingReferences, describedBy, servedBy, toldBy } from '../http/api-description.ts';
import { noDatabase } from './stubs.ts';

const app = createApp({
  config: parseManaAuthConfig({}),
  database: noDatabase,
  postgresHealth: async () => ({ ok: true }),
  logger: createLogger({ component: 'test' }),
  nowMs: () => 0,
});

test('the document describes each route, and no other', async () => {
  const { document, page } = await describedBy(app);
  expect(toldBy(document)).toEqual(servedBy(app));
  expect(toldBy(document)).toContain('POST /api/v1/me/ai-mission-grant/sealed');
  expect(danglingReferences(document)).toEqual([]);
  for (const path of Object.keys(document.paths)) expect(page).toContain(`<code>${path}</code>`);
});
