import { expect, test } from 'vitest';
import { createApp } from '../../../src/mana-ai/app.ts';
import { parseManaAiConfig } from '../../../src/config/mana-ai.ts';
import { statusWords } from '../../../src/mana-ai/status-words.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { danglingReferences, describedBy, servedBy, toldBy } from '../http/api-description.ts';

const unused = async () => Promise.reject(new Error('unused'));
const app = createApp({
  config: parseManaAiConfig({}),
  verifyUserToken: async () => ({ ok: false, code: 'UNAUTHENTICATED' }),
  userMissions: () => ({
    listMissions: unused,
    listMissionsForOwner: unused,
    missionForOwner: unused,
    listAgents: unused,
    changeAgent: unused,
    audit: unused,
    command: unused,
    noteTimeZone: unused,
  }),
  records: () => ({ page: unused, find: unused }),
  openEvents: unused,
  tick: unused,
  health: unused,
  forget: unused,
  drain: unused,
  metrics: createMetrics(),
  logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
});

test('the document describes each route, and no other', async () => {
  const { document } = await describedBy(app);
  expect(document.openapi).toBe('3.1.1');
  expect(toldBy(document)).toEqual(servedBy(app));
  expect(toldBy(document)).toContain(
    'POST /api/v1/me/missions/{missionId}/iterations/{iterationId}/review',
  );
});

test('what is refused without a token says so, what takes a body shows it, and every reference leads somewhere', async () => {
  const { document } = await describedBy(app);
  expect(danglingReferences(document)).toEqual([]);
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { security, responses, requestBody }] of Object.entries(methods)) {
      const answer = await app.request(path.replaceAll(/\{\w+\}/g, 'x'), {
        method: method.toUpperCase(),
      });
      const closed = [401, 503].includes(answer.status);
      expect([path, closed]).toEqual([path, security !== undefined]);
      expect(Object.keys(responses).includes('401')).toBe(security !== undefined);
      expect(requestBody !== undefined).toBe(
        Object.keys(responses).includes('413') || path.endsWith('/review'),
      );
    }
  }
});

test('the schemas are those that requests are checked with', async () => {
  const { document } = await describedBy(app);
  const body =
    document.paths['/api/v1/me/missions']?.['post']?.requestBody?.content['application/json']
      ?.schema;
  expect(body).toMatchObject({
    type: 'object',
    required: ['objective'],
    additionalProperties: false,
  });
  expect(JSON.stringify(body)).toContain('"const":"weekly"');
  const events = document.paths['/api/v1/me/events']?.['get'];
  expect(events?.parameters).toMatchObject([
    { name: 'Last-Event-ID', in: 'header', required: false },
  ]);
  expect(document.components.schemas['Mission']).toMatchObject({ type: 'object' });
});

test('the page shows every route and asks nothing of another host', async () => {
  const { document, page, pageHeaders } = await describedBy(app);
  for (const path of Object.keys(document.paths)) expect(page).toContain(`<code>${path}</code>`);
  expect(page).not.toMatch(/<script|src=|@import|url\(|(?:href|action)="(?!openapi\.json")/);
  expect(pageHeaders.get('content-security-policy')).toContain("default-src 'none'");
  expect(pageHeaders.get('content-type')).toMatch(/^text\/html/);
});

test('the status says in words what is wrong since when, and how long the queue is', () => {
  const now = Date.UTC(2027, 0, 1, 12);
  const at = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
  const fine = { ok: true } as const;
  const tick = { enabled: true, lastTickAt: at(3), queued: 1, running: 2 };
  const llm = { ...fine, locality: 'local', tools: 'native' } as const;
  expect(statusWords({ postgres: fine, llm, tick, notices: [] }, now)).toEqual([
    'PostgreSQL and the language model answer.',
    '1 person with a due mission waits, 2 people are being served.',
    'Missions run by themselves; the last run began 3 min ago.',
  ]);
  const silent = { ...fine, locality: 'local' } as const;
  expect(statusWords({ postgres: fine, llm: silent, tick, notices: [] }, now)[0]).toContain(
    'has not answered yet',
  );
  const down = {
    ok: false,
    since: at(150),
    error: { code: 'LLM_UNREACHABLE', message: 'nothing listens there' },
  };
  const words = statusWords(
    {
      postgres: fine,
      llm: { ...down, locality: 'local', tools: 'none' },
      tick: { enabled: false, lastTickAt: null, queued: null, running: null },
      notices: [{ code: 'LISTEN_DEAF', message: 'nothing is heard', since: at(5) }],
    },
    now,
  );
  expect(words[0]).toBe(
    `The language model does not work for 2 h (since ${at(150)}): nothing listens there [LLM_UNREACHABLE].`,
  );
  expect(words).toContain('For 5 min: nothing is heard [LISTEN_DEAF].');
  expect(words).toHaveLength(5);
});
