import { describe, expect, test, vi } from 'vitest';
import { type AuditRow, EMPTY_CHAIN } from '../../../src/audit/row.ts';
import { type AppDeps, createApp, type UserMissionsPort } from '../../../src/mana-ai/app.ts';
import { parseManaAiConfig } from '../../../src/config/mana-ai.ts';
import { AI_AUDIT } from '../../../src/mana-ai/routes/ai-audit.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

const ROW: AuditRow = {
  seq: 1,
  kind: 'attempt',
  missionId: 'm',
  iterationId: 'i',
  tableName: 'notes',
  recordId: 'n',
  status: 'pending',
  reason: null,
  ts: '2026-11-24T10:00:00.000Z',
  prevHash: '',
  hash: 'h1',
};
const PAGE = { userId: 'user-1', rows: [ROW], head: { seq: 2, hash: 'h2' }, next: 1 };

function setUp(answer: Awaited<ReturnType<UserMissionsPort['audit']>> = { ok: true, page: PAGE }) {
  const audit = vi.fn<UserMissionsPort['audit']>(async () => answer);
  const userMissions = vi.fn<AppDeps['userMissions']>(() => ({
    listMissions: async () => [],
    listMissionsForOwner: async () => [],
    missionForOwner: async () => null,
    listAgents: async () => [],
    changeAgent: async () => ({ ok: false }),
    audit,
    command: async () => Promise.reject(new Error('unused')),
    noteTimeZone: async () => Promise.reject(new Error('unused')),
  }));
  const app = createApp({
    config: parseManaAiConfig({}),
    verifyUserToken: async (token) =>
      token === 'good' ? { ok: true, userId: 'user-1' } : { ok: false, code: 'UNAUTHENTICATED' },
    userMissions,
    records: () => ({ page: async () => null, find: async () => null }),
    openEvents: async () => Promise.reject(new Error('unused')),
    tick: async () => Promise.reject(new Error('unused')),
    health: async () => Promise.reject(new Error('unused')),
    forget: async () => Promise.reject(new Error('unused')),
    drain: async () => ({ drained: true }),
    metrics: createMetrics(),
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  const get = async (
    query: string,
    headers: Record<string, string> = { authorization: 'Bearer good' },
  ) => app.request(`/api/v1/me/ai-audit${query}`, { headers });
  return { get, audit, userMissions };
}

describe('GET /api/v1/me/ai-audit', () => {
  test('answers a page of the owner of the token, whatever else the query names', async () => {
    const { get, audit, userMissions } = setUp();
    const answer = await get('?userId=user-2');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual(PAGE);
    expect(userMissions.mock.calls).toEqual([['user-1']]);
    expect(audit.mock.calls).toEqual([['user-1', { missionId: null, limit: 100, after: 0 }]]);
  });

  test('passes mission, limit and start on', async () => {
    const { get, audit } = setUp();
    await get('?missionId=m%2F1&limit=500&after=9007199254740991');
    expect(audit.mock.calls[0]?.[1]).toEqual({
      missionId: 'm/1',
      limit: 500,
      after: 9_007_199_254_740_991,
    });
  });

  test('gives a full page to who asks for more', async () => {
    const { get, audit } = setUp();
    await get('?limit=1000');
    expect(audit.mock.calls[0]?.[1]).toMatchObject({ limit: 500 });
  });

  test('answers as its schema says, the empty audit too', async () => {
    const schema = AI_AUDIT.responses[200].content['application/json'].schema;
    const empty = { userId: 'user-1', rows: [], head: EMPTY_CHAIN };
    for (const page of [PAGE, empty]) {
      const answer = await setUp({ ok: true, page }).get('');
      expect(schema.parse(await answer.json())).toEqual(page);
    }
  });

  test.each([
    ['limit', ['', '0', '-1', '1.5', '1e2', 'ten', '0x10', ' 5', '99999999999999999999']],
    ['after', ['', '-1', '9007199254740992', 'x', '1,2']],
    ['missionId', ['', 'x'.repeat(257), 'a%00b', 'a%0Ab']],
  ])('refuses a bad %s and names it, not its value', async (field, values) => {
    for (const value of values) {
      const { get, audit } = setUp();
      const answer = await get(`?${field}=${value}`);
      expect([value, answer.status]).toEqual([value, 400]);
      expect(await answer.json()).toEqual({
        error: expect.stringMatching(new RegExp(`^${field}: wants`)),
        code: 'BAD_REQUEST',
      });
      expect(audit).not.toHaveBeenCalled();
    }
  });

  test('is refused without a good token', async () => {
    const { get, userMissions } = setUp();
    for (const headers of [{}, { authorization: 'Bearer bad' }]) {
      const answer = await get('', headers);
      expect(answer.status).toBe(401);
      expect(await answer.json()).toMatchObject({ code: 'UNAUTHENTICATED' });
    }
    expect(userMissions).not.toHaveBeenCalled();
  });

  test('says so while Postgres cannot be asked', async () => {
    const answer = await setUp({ ok: false, code: 'POSTGRES_TIMEOUT' }).get('');
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({
      error: expect.any(String),
      code: 'POSTGRES_UNAVAILABLE',
    });
  });
});
