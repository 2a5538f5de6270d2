import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Hono } from 'hono';
import { describe, expect, test } from 'vitest';
import { signUserToken } from '../../../scripts/embedded/embedded-secrets.ts';
import { createApp } from '../../../src/mana-auth/app.ts';
import { parseManaAuthConfig } from '../../../src/config/mana-auth.ts';
import { issuerKeySet } from '../../../src/mana-auth/key-set.ts';
import { PostgresError, postgresFailure } from '../../../src/postgres/errors.ts';
import type { Database } from '../../../src/postgres/port.ts';
import { createLogger } from '../../../src/telemetry/logs.ts';
import { serveKeySet } from '../http/key-set-server.ts';
import { noDatabase, scriptedDatabase } from './stubs.ts';

const pem = (kind: 'ed25519' | 'x25519', half: 'privateKey' | 'publicKey'): string => {
  const pair = kind === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('x25519');
  return pair[half].export({
    type: half === 'privateKey' ? 'pkcs8' : 'spki',
    format: 'pem',
  } as never) as string;
};

const pemDer = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(createPrivateKey(text).export({ type: 'pkcs8', format: 'der' }));

const ISSUER = pem('ed25519', 'privateKey');
const ENV: Record<string, string> = {
  MANA_AUTH_ISSUER_KEY_PEM: ISSUER,
  MANA_GRANT_SIGNING_KEY_PEM: pem('ed25519', 'privateKey'),
  MANA_AI_PUBLIC_KEY_PEM: pem('x25519', 'publicKey'),
  MANA_AUTH_KEK: randomBytes(32).toString('base64'),
  MANA_SERVICE_KEY: 'service-key',
};
const token = await signUserToken(ISSUER, { userId: 'u1', issuer: 'mana-auth', audience: 'mana' });
const bearer = { authorization: `Bearer ${token}` };

function appWith(database: Database, env: Record<string, string> = ENV): Hono {
  return createApp({
    config: parseManaAuthConfig(env),
    database,
    postgresHealth: async () => ({ ok: true }),
    logger: createLogger({ component: 'test' }),
    nowMs: () => Date.now(),
  });
}

type Refusal = { status: number; code: string; error: string };

async function refusalOf(response: Response): Promise<Refusal> {
  return { status: response.status, ...(await response.json<{ code: string; error: string }>()) };
}

const VAULT = '/api/v1/me/encryption-vault';
const GRANT = '/api/v1/me/ai-mission-grant';
const good = { missionId: 'm1', tables: ['notes'], recordIds: ['notes:n1'] };

async function post(path: string, body: unknown, app = appWith(noDatabase)): Promise<Refusal> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return refusalOf(await app.request(path, { method: 'POST', body: text, headers: bearer }));
}

const failing = (code: 'POSTGRES_TIMEOUT' | 'POSTGRES_REFUSED'): Database => ({
  transaction: () => Promise.reject(new PostgresError(postgresFailure(code))),
});

async function status(database: Database): Promise<Refusal> {
  return refusalOf(await appWith(database).request(`${VAULT}/status`, { headers: bearer }));
}

/** A request of that many bytes. */
function padded(size: number): string {
  const empty = JSON.stringify({ ...good, pad: '' }).length;
  return JSON.stringify({ ...good, pad: 'x'.repeat(size - empty) });
}

const ROUTES: [string, string][] = [
  ['POST', `${VAULT}/init`],
  ['GET', `${VAULT}/key`],
  ['POST', `${VAULT}/rotate`],
  ['POST', `${VAULT}/recovery-wrap`],
  ['DELETE', `${VAULT}/recovery-wrap`],
  ['POST', `${VAULT}/zero-knowledge`],
  ['GET', `${VAULT}/status`],
  ['POST', GRANT],
  ['POST', `${GRANT}/sealed`],
  ['GET', GRANT],
  ['DELETE', `${GRANT}/x`],
  ['GET', '/api/v1/me/runner-key'],
];

describe('every route of a person', () => {
  test.each(ROUTES)(
    '%s %s answers 401 without a token, and asks the database nothing',
    async (method, path) => {
      for (const headers of [
        {},
        { authorization: 'Bearer x.y.z' },
        { authorization: `Basic ${token}` },
      ]) {
        const response = await appWith(noDatabase).request(path, { method, headers });
        expect(response.headers.get('www-authenticate')).toBe('Bearer');
        expect(response.headers.get('cache-control')).toBe('no-store');
        expect(await refusalOf(response)).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
      }
    },
  );
});

describe('a mint names the field that is wrong', () => {
  test.each<[string, string, unknown]>([
    ['missionId', 'missing', { ...good, missionId: undefined }],
    ['missionId', 'empty', { ...good, missionId: '' }],
    ['missionId', 'too long', { ...good, missionId: 'x'.repeat(257) }],
    ['missionId', 'with a NUL', { ...good, missionId: 'a\0b' }],
    ['missionId', 'half of a surrogate pair', { ...good, missionId: '\ud800' }],
    ['tables', 'no list', { ...good, tables: 'notes' }],
    ['tables.0', 'no name', { ...good, tables: ['no-tes'] }],
    ['recordIds', 'missing', { ...good, recordIds: undefined }],
    ['recordIds', 'none', { ...good, recordIds: [] }],
    [
      'recordIds',
      'too many',
      { ...good, recordIds: Array.from({ length: 1_001 }, (_, n) => `notes:${n}`) },
    ],
    ['recordIds.0', 'without a table', { ...good, recordIds: ['n1'] }],
    ['recordIds.0', 'without an id', { ...good, recordIds: ['notes:'] }],
    ['recordIds.0', 'with a NUL', { ...good, recordIds: ['notes:a\0b'] }],
    ['recordIds.0', 'with half of a surrogate pair', { ...good, recordIds: ['notes:\udfff'] }],
    ['recordIds.0', 'a mission', { ...good, tables: ['aiMissions'], recordIds: ['aiMissions:m1'] }],
    [
      'recordIds.1',
      'of a table that is not named',
      { ...good, recordIds: ['notes:n1', 'tasks:t1'] },
    ],
    ['ttlMs', 'no number', { ...good, ttlMs: '7d' }],
    ['llm', 'something else', { ...good, llm: 'remote' }],
    [
      'keyVersions',
      'of a record that is not granted',
      { ...good, keyVersions: { 'notes:n2': [1] } },
    ],
    ['keyVersions.notes:n1', 'none', { ...good, keyVersions: { 'notes:n1': [] } }],
    ['keyVersions.notes:n1.0', 'version 0', { ...good, keyVersions: { 'notes:n1': [0] } }],
    ['keyVersions.notes:n1.0', 'version 1.5', { ...good, keyVersions: { 'notes:n1': [1.5] } }],
    ['body', 'no JSON', '{'],
    ['body', 'a list', '[]'],
  ])('%s: %s', async (field, _what, body) => {
    for (const [path, sent] of [
      [GRANT, body],
      [`${GRANT}/sealed`, typeof body === 'string' ? body : { ...(body as object), keys: 'x' }],
    ] as const) {
      const refusal = await post(path, sent);
      expect(refusal).toMatchObject({ status: 400, code: 'BAD_REQUEST' });
      expect(refusal.error).toMatch(
        field === 'body' ? /body/ : new RegExp(`^${field.replaceAll('.', '\\.')}: `),
      );
    }
  });

  test('keys: missing, or no JWE', async () => {
    for (const keys of [undefined, 'a.b.c.d.e', '']) {
      const refusal = await post(`${GRANT}/sealed`, { ...good, keys });
      expect(refusal).toMatchObject({ status: 400, code: 'BAD_REQUEST' });
      expect(refusal.error).toMatch(/^keys: /);
    }
  });
});

describe('the vault names the field that is wrong', () => {
  test.each<[string, string, unknown]>([
    ['recoveryWrappedMk', 'recovery-wrap', { recoveryIv: 'AAAA' }],
    ['recoveryWrappedMk', 'recovery-wrap', { recoveryWrappedMk: 'no base64!', recoveryIv: 'AAAA' }],
    ['recoveryIv', 'recovery-wrap', { recoveryWrappedMk: 'AAAA' }],
    ['recoveryIv', 'recovery-wrap', { recoveryWrappedMk: 'AAAA', recoveryIv: '' }],
    ['enable', 'zero-knowledge', {}],
    ['enable', 'zero-knowledge', { enable: 'yes' }],
    ['masterKey', 'zero-knowledge', { enable: false }],
    ['masterKey', 'zero-knowledge', { enable: false, masterKey: 'AAAA' }],
    [
      'masterKey',
      'zero-knowledge',
      { enable: false, masterKey: Buffer.alloc(32).toString('base64') },
    ],
  ])('%s of %s', async (field, route, body) => {
    const refusal = await post(`${VAULT}/${route}`, body);
    expect(refusal).toMatchObject({ status: 400, code: 'BAD_REQUEST' });
    expect(refusal.error).toMatch(new RegExp(`^${field}: `));
  });
});

describe('what is not configured', () => {
  test.each(['MANA_AI_PUBLIC_KEY_PEM', 'MANA_GRANT_SIGNING_KEY_PEM', 'MANA_AUTH_KEK'])(
    'without %s minting answers 503 and names it, and /health goes on',
    async (name) => {
      const app = appWith(noDatabase, { ...ENV, [name]: '' });
      for (const path of [GRANT, `${GRANT}/sealed`]) {
        const refusal = await post(path, good, app);
        if (path === `${GRANT}/sealed` && name === 'MANA_AUTH_KEK') {
          expect(refusal).toMatchObject({ status: 400 });
          continue;
        }
        expect(refusal).toMatchObject({ status: 503, code: 'GRANT_NOT_CONFIGURED' });
        expect(refusal.error).toContain(name);
      }
      expect((await app.request('/health')).status).toBe(200);
    },
  );

  test('without a KEK the vault, without a public key the runner-key routes answer 503 GRANT_NOT_CONFIGURED', async () => {
    const app = appWith(noDatabase, { ...ENV, MANA_AUTH_KEK: '', MANA_AI_PUBLIC_KEY_PEM: '' });
    const headers = { ...bearer, 'x-service-key': 'service-key' };
    for (const path of [`${VAULT}/status`, '/api/v1/me/runner-key', '/internal/ai-runner-pubkey']) {
      const response = await app.request(path, { headers });
      expect(await refusalOf(response)).toMatchObject({
        status: 503,
        code: 'GRANT_NOT_CONFIGURED',
      });
    }
  });
});

describe('what goes wrong behind the routes', () => {
  test('a Postgres that is away is 503, one that refuses a statement 500; neither is told about', async () => {
    expect(await status(failing('POSTGRES_TIMEOUT'))).toMatchObject({
      status: 503,
      code: 'POSTGRES_UNAVAILABLE',
    });
    expect(await status(failing('POSTGRES_REFUSED'))).toMatchObject({
      status: 500,
      code: 'INTERNAL',
    });
    expect(await status(noDatabase)).toMatchObject({ status: 500, code: 'INTERNAL' });
  });

  test('the audit row of a use stands before the read, in the same transaction', async () => {
    const database = scriptedDatabase([[], []]);
    await appWith(database).request(`${VAULT}/key`, { headers: bearer });
    expect(database.asked).toHaveLength(1);
    const [request] = database.asked;
    expect(request).toMatchObject({ role: 'mana_auth_service', userId: 'u1' });
    expect(request?.statements.map(({ text }) => /vault_audit/.test(text))).toEqual([true, false]);
  });
});

describe('the service route', () => {
  test('wants the service key, and answers with the PEM and the kid that devices see', async () => {
    const app = appWith(noDatabase);
    const path = '/internal/ai-runner-pubkey';
    for (const headers of [{}, { 'x-service-key': 'wrong' }]) {
      expect(await refusalOf(await app.request(path, { headers }))).toMatchObject({
        code: 'UNAUTHENTICATED',
      });
    }
    const response = await app.request(path, { headers: { 'x-service-key': 'service-key' } });
    const { publicKeyPem, kid } = await response.json<{ publicKeyPem: string; kid: string }>();
    expect(publicKeyPem.trim()).toBe(ENV['MANA_AI_PUBLIC_KEY_PEM']?.trim());
    const device = await app.request('/api/v1/me/runner-key', { headers: bearer });
    expect(await device.json()).toMatchObject({ kid, jwk: { kty: 'OKP', crv: 'X25519' } });
    const closed = await appWith(noDatabase, { ...ENV, MANA_SERVICE_KEY: '' }).request(path);
    expect(await refusalOf(closed)).toMatchObject({
      status: 503,
      code: 'SERVICE_KEY_NOT_CONFIGURED',
    });
  });
});

describe('bodies', () => {
  test.each([
    [GRANT, 64],
    [`${GRANT}/sealed`, 256],
    [`${VAULT}/recovery-wrap`, 64],
    [`${VAULT}/zero-knowledge`, 64],
  ])('%s takes %i KiB and no byte more', async (path, kib) => {
    expect(await post(path, padded(kib * 1_024 + 1))).toMatchObject({
      status: 413,
      code: 'BODY_TOO_LARGE',
    });
    expect((await post(path, padded(kib * 1_024))).code).not.toBe('BODY_TOO_LARGE');
  });
});

test('with MANA_JWKS_URL that key set alone counts: our own issuer key signs nobody in any more', async () => {
  const other = pem('ed25519', 'privateKey');
  const { keys } = await issuerKeySet([pemDer(other)]);
  const server = await serveKeySet(keys);
  try {
    const env = {
      ...ENV,
      MANA_JWKS_URL: `${server.url}/jwks.json`,
      MANA_JWT_ISSUER: 'else',
      MANA_JWT_AUDIENCE: 'app',
    };
    const app = appWith(noDatabase, env);
    const statusOf = async (given: string): Promise<number> =>
      (
        await app.request('/api/v1/me/runner-key', {
          headers: { authorization: `Bearer ${given}` },
        })
      ).status;
    expect(
      await statusOf(await signUserToken(other, { userId: 'u1', issuer: 'else', audience: 'app' })),
    ).toBe(200);
    expect(
      await statusOf(
        await signUserToken(other, { userId: 'u1', issuer: 'mana-auth', audience: 'mana' }),
      ),
    ).toBe(401);
    expect(
      await statusOf(
        await signUserToken(ISSUER, { userId: 'u1', issuer: 'else', audience: 'app' }),
      ),
    ).toBe(401);
  } finally {
    server.close();
  }
});
