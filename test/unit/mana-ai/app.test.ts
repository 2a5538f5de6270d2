import { afterEach, describe, expect, test, vi } from 'vitest';
import { EMPTY_CHAIN } from '../../../src/audit/row.ts';
import {
  type AppDeps,
  createApp,
  type RunnerHealth,
  type UserMissionsPort,
} from '../../../src/mana-ai/app.ts';
import { parseManaAiConfig } from '../../../src/config/mana-ai.ts';
import type { InternalMission, OwnerMission, TickResult } from '../../../src/missions/views.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

const KEY = { 'x-service-key': 'service-key' };
const MISSION: InternalMission = {
  id: 'm1',
  title: 'One',
  state: 'active',
  nextRunAt: null,
  status: 'idle',
};
const OWNED: OwnerMission = {
  ...MISSION,
  objective: 'Do',
  cadence: null,
  occurrences: [],
  iterations: [],
};
const TICK: TickResult = {
  scannedAt: '2026-01-01T00:00:00.000Z',
  dueMissionCount: 1,
  plansProduced: 1,
  plansWrittenBack: 1,
  parseFailures: 0,
  errors: [],
};
const HEALTH: RunnerHealth = {
  postgres: { ok: true },
  llm: { ok: true, locality: 'local' },
  tick: { enabled: true, lastTickAt: null, queued: 0, running: 0 },
  notices: [],
};

const USER_MISSIONS: UserMissionsPort = {
  listMissions: async () => [MISSION],
  listMissionsForOwner: async () => [OWNED],
  missionForOwner: async () => null,
  listAgents: async () => [],
  changeAgent: async () => ({ ok: false }),
  audit: async (userId) => ({ ok: true, page: { userId, rows: [], head: EMPTY_CHAIN } }),
  command: async () => ({ ok: false, refusal: { code: 'MISSION_NOT_FOUND' } }),
  noteTimeZone: async () => undefined,
};

function setUp(
  overrides: Partial<AppDeps> = {},
  env: Record<string, string> = { MANA_SERVICE_KEY: 'service-key' },
) {
  const lines: unknown[] = [];
  const log = (...line: unknown[]) => void lines.push(line);
  const metrics = createMetrics();
  const app = createApp({
    config: parseManaAiConfig(env),
    verifyUserToken: async (token) =>
      token === 'good' ? { ok: true, userId: 'user-1' } : { ok: false, code: 'UNAUTHENTICATED' },
    userMissions: () => USER_MISSIONS,
    records: () => ({ page: async () => null, find: async () => null }),
    openEvents: async () => ({ ok: false, reason: 'draining' }),
    tick: async () => TICK,
    health: async () => HEALTH,
    forget: async () => ({ left: [] }),
    drain: async () => ({ drained: true }),
    metrics,
    logger: { info: log, warn: log, error: log },
    ...overrides,
  });
  return { app, metrics, lines };
}

async function expectError(answer: Response, status: number, code: string): Promise<string> {
  expect(answer.status).toBe(status);
  const body: unknown = await answer.json();
  expect(body).toEqual({ error: expect.any(String), code });
  return JSON.stringify(body);
}

afterEach(() => {
  vi.useRealTimers();
});

describe('GET /health', () => {
  test('tells what the probes say', async () => {
    const answer = await setUp().app.request('/health');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: 'ok', workerd: null, ...HEALTH });
  });

  test('is 200 and degraded while a dependency is down', async () => {
    const down = {
      ok: false,
      since: '2026-01-01T00:00:00.000Z',
      error: { code: 'LLM_UNAVAILABLE', message: 'Away.' },
    };
    const health = { ...HEALTH, llm: { ...down, locality: 'local' as const } };
    const answer = await setUp({ health: async () => health }).app.request('/health');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: 'degraded', workerd: null, ...health });
  });

  test('answers within 2 s while the probes hang', async () => {
    vi.useFakeTimers();
    const pending = setUp({ health: () => new Promise(() => undefined) }).app.request('/health');
    await vi.advanceTimersByTimeAsync(1_999);
    const answer = await pending;
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      status: 'degraded',
      postgres: { ok: false, error: { code: 'PROBE_TIMEOUT' } },
      llm: { ok: false, locality: 'local' },
      tick: { enabled: true, queued: null },
    });
  });

  test('answers when a probe throws, and does not tell what', async () => {
    const answer = await setUp({
      health: async () => Promise.reject(new Error('postgres://secret')),
    }).app.request('/health');
    expect(answer.status).toBe(200);
    const text = await answer.text();
    expect(text).toContain('PROBE_FAILED');
    expect(text).not.toContain('secret');
  });
});

describe('GET /metrics', () => {
  test('is Prometheus text and counts requests by route pattern, never by path', async () => {
    const { app } = setUp();
    await app.request('/internal/missions/user-77', { headers: KEY });
    await app.request('/nowhere/user-77');
    await app.request('/health', { method: 'BREW' });
    const answer = await app.request('/metrics');
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await answer.text();
    expect(text).toContain(
      'mana_ai_http_requests_total{method="GET",path="/internal/missions/:userId",status="200"} 1',
    );
    expect(text).toContain(
      'mana_ai_http_requests_total{method="GET",path="unmatched",status="404"} 1',
    );
    expect(text).toContain(
      'mana_ai_http_requests_total{method="other",path="unmatched",status="404"} 1',
    );
    expect(text).toContain('mana_ai_http_request_duration_seconds_count 3');
    expect(text).not.toContain('user-77');
  });
});

describe('/internal', () => {
  const ROUTES = [
    ['POST', '/internal/tick', TICK],
    ['GET', '/internal/missions/user-1', { missions: [MISSION] }],
  ] as const;

  test.each(ROUTES)('%s %s answers with the service key', async (method, path, body) => {
    const answer = await setUp().app.request(path, { method, headers: KEY });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual(body);
  });

  test.each(ROUTES)(
    '%s %s is refused without the service key and with a wrong one',
    async (method, path) => {
      const { app } = setUp();
      await expectError(await app.request(path, { method }), 401, 'UNAUTHENTICATED');
      const headers = { 'x-service-key': 'service-kex' };
      await expectError(await app.request(path, { method, headers }), 401, 'UNAUTHENTICATED');
    },
  );

  test.each(ROUTES)('%s %s is closed where no service key is set', async (method, path) => {
    const { app } = setUp({}, {});
    const headers = { 'x-service-key': '' };
    await expectError(
      await app.request(path, { method, headers }),
      503,
      'SERVICE_KEY_NOT_CONFIGURED',
    );
  });

  test.each([
    'a%00b',
    'a%0Ab',
    '%C2%85',
    'x'.repeat(257),
    'x'.repeat(9_000),
    '%FF',
    '%ED%A0%80',
    'a%',
  ])('the user id %s is refused', async (id) => {
    const answer = await setUp().app.request(`/internal/missions/${id}`, { headers: KEY });
    expect(await expectError(answer, 400, 'BAD_REQUEST')).toContain('userId');
  });

  test.each([
    ['x'.repeat(256), 'x'.repeat(256)],
    ['a%2Fb', 'a/b'],
    ['%C3%BC%25', 'ü%'],
  ])('the user id %s is asked for as it is meant', async (path, expected) => {
    const userMissions = vi.fn<AppDeps['userMissions']>(() => USER_MISSIONS);
    const answer = await setUp({ userMissions }).app.request(`/internal/missions/${path}`, {
      headers: KEY,
    });
    expect(answer.status).toBe(200);
    expect(userMissions).toHaveBeenCalledWith(expected);
  });

  test('a user is forgotten by the id that the path means, with the service key alone', async () => {
    const forget = vi.fn<AppDeps['forget']>(async () => ({ left: ['agenda'] }));
    const { app } = setUp({ forget });
    await expectError(
      await app.request('/internal/users/a%2Fb', { method: 'DELETE' }),
      401,
      'UNAUTHENTICATED',
    );
    expect(forget).not.toHaveBeenCalled();
    const answer = await app.request('/internal/users/a%2Fb', { method: 'DELETE', headers: KEY });
    expect(await answer.json()).toEqual({ left: ['agenda'] });
    expect(forget.mock.calls).toEqual([['a/b']]);
  });

  test('bodies over 64 KiB are refused, with and without a length', async () => {
    const { app } = setUp();
    const body = 'x'.repeat(65_537);
    const withLength = { method: 'POST', headers: { ...KEY, 'content-length': '65537' }, body };
    await expectError(await app.request('/internal/tick', withLength), 413, 'BODY_TOO_LARGE');
    const stream = new Blob([body]).stream();
    const chunked = new Request('http://localhost/internal/tick', {
      method: 'POST',
      headers: KEY,
      body: stream,
      duplex: 'half',
    } as RequestInit);
    await expectError(await app.request(chunked), 413, 'BODY_TOO_LARGE');
  });
});

describe('POST /internal/drain', () => {
  const drain = { method: 'POST', headers: { 'x-drain-token': 'drain-token' } };

  test('answers the token of the command that started the process, with and without a service key', async () => {
    for (const env of [
      { MANA_DRAIN_TOKEN: 'drain-token' },
      { MANA_DRAIN_TOKEN: 'drain-token', MANA_SERVICE_KEY: 'k' },
    ]) {
      const answer = await setUp({}, env).app.request('/internal/drain', drain);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toEqual({ drained: true });
    }
  });

  test('is refused without the token, with a wrong one, with the service key, and where none is set', async () => {
    const env = { MANA_DRAIN_TOKEN: 'drain-token', MANA_SERVICE_KEY: 'service-key' };
    const { app } = setUp({}, env);
    for (const headers of [{}, { 'x-drain-token': 'drain-tokem' }, KEY, { 'x-drain-token': '' }]) {
      await expectError(
        await app.request('/internal/drain', { method: 'POST', headers }),
        401,
        'UNAUTHENTICATED',
      );
    }
    await expectError(
      await setUp({}, {}).app.request('/internal/drain', drain),
      401,
      'UNAUTHENTICATED',
    );
  });
});

describe('GET /api/v1/me/missions', () => {
  test('shows the missions of the token, and only those', async () => {
    const userMissions = vi.fn<AppDeps['userMissions']>(() => USER_MISSIONS);
    const headers = { authorization: 'Bearer good' };
    const answer = await setUp({ userMissions }).app.request('/api/v1/me/missions?userId=user-2', {
      headers,
    });
    expect(await answer.json()).toEqual({ missions: [OWNED] });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(userMissions.mock.calls).toEqual([['user-1']]);
  });

  test.each([undefined, 'good', 'Basic good', 'Bearer bad', 'Bearer good good'])(
    'refuses %s',
    async (authorization) => {
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await setUp().app.request('/api/v1/me/missions', { headers });
      await expectError(answer, 401, 'UNAUTHENTICATED');
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    },
  );

  test('says so when the key set cannot be fetched', async () => {
    const answer = await setUp({
      verifyUserToken: async () => ({ ok: false, code: 'KEY_SET_UNAVAILABLE' }),
    }).app.request('/api/v1/me/missions');
    await expectError(answer, 503, 'KEY_SET_UNAVAILABLE');
  });
});

describe('every route', () => {
  test.each([
    ['GET', '/'],
    ['GET', '/internal/tick'],
    ['POST', '/health'],
    ['GET', '/internal/missions/'],
  ])('%s %s does not exist', async (method, path) => {
    await expectError(await setUp().app.request(path, { method, headers: KEY }), 404, 'NOT_FOUND');
  });

  test('what fails inside is neither told nor logged', async () => {
    const { app, lines, metrics } = setUp({
      tick: async () => Promise.reject(new Error('secret detail')),
    });
    const answer = await app.request('/internal/tick', { method: 'POST', headers: KEY });
    expect(await expectError(answer, 500, 'INTERNAL')).not.toContain('secret');
    expect(JSON.stringify(lines)).not.toContain('secret');
    const requestId = answer.headers.get('x-request-id');
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(lines).toMatchObject([
      ['a request failed', { requestId }],
      ['a request was answered with an error', { requestId }],
    ]);
    expect(await metrics.registry.metrics()).toContain('path="/internal/tick",status="500"} 1');
  });

  test.each([
    ['GET', '/health'],
    ['GET', '/metrics'],
    ['POST', '/internal/tick'],
    ['GET', '/api/v1/me/missions'],
    ['GET', '/nowhere'],
  ])('%s %s names the malformed variable', async (method, path) => {
    const { app } = setUp({}, { MANA_LLM_MAX_TOOLS: 'plenty' });
    const text = await expectError(await app.request(path, { method }), 503, 'CONFIG_INVALID');
    expect(text).toContain('MANA_LLM_MAX_TOOLS');
    expect(text).not.toContain('plenty');
  });
});
