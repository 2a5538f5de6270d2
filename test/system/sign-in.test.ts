import { randomUUID } from 'node:crypto';
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate } from '../../scripts/migrate.ts';
import { serveKeySet } from '../unit/http/key-set-server.ts';
import { type BrowserKey, browserKey } from './support/browser-session.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { type Runner, SERVICE_KEY, startRunner } from './support/runner.ts';

const ORIGIN = 'https://console.example';

let postgres: TestPostgres;
let runner: Runner;

beforeAll(async () => {
  postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
  runner = await startRunner({
    databaseUrl: postgres.databaseUrl,
    llmUrl: 'http://127.0.0.1:9/v1',
    environment: { MANA_AI_TICK_ENABLED: 'false', MANA_CONSOLE_ORIGIN: ORIGIN },
  });
}, 90_000);
afterAll(async () => {
  await runner?.dispose();
  await postgres?.stop();
});

type Json = Record<string, unknown>;
type Answer = { status: number; body: Json; headers: Headers };

async function post(path: string, body: unknown, headers: Json = {}): Promise<Answer> {
  return send('POST', path, body, headers);
}

async function send(
  method: string,
  path: string,
  body?: unknown,
  headers: Json = {},
): Promise<Answer> {
  const response = await fetch(`${runner.authUrl}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(headers as Record<string, string>) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text === '' ? {} : (JSON.parse(text) as Json),
    headers: response.headers,
  };
}

async function linkFor(userId: string): Promise<string> {
  const answer = await post(
    '/internal/sign-in-links',
    { userId },
    { 'x-service-key': SERVICE_KEY },
  );
  expect(answer.status).toBe(200);
  return String(answer.body['url']);
}

type Session = { userId: string; sessionId: string; key: BrowserKey; token: string };

async function signIn(userId: string = randomUUID()): Promise<Session> {
  const key = await browserKey();
  const link = await linkFor(userId);
  const started = await post('/api/v1/sessions', {
    link,
    publicKey: key.publicKey,
    name: 'Firefox',
  });
  expect(started).toMatchObject({ status: 201, body: { userId } });
  const sessionId = String(started.body['sessionId']);
  const proof = await key.proof({ sid: sessionId, at: Date.now(), aud: ORIGIN });
  const { body } = await post('/api/v1/sessions/token', { proof });
  return { userId, sessionId, key, token: String(body['token']) };
}

const bearer = (token: string): Json => ({ authorization: `Bearer ${token}` });

describe('links', () => {
  test('name the console, keep the secret in the fragment, and stand in the database as a hash', async () => {
    const link = new URL(await linkFor(randomUUID()));
    expect(link.origin).toBe(ORIGIN);
    const secret = link.hash.replace('#sign-in=', '');
    expect(secret).toMatch(/^[\w-]{43}$/);
    const rows = await postgres.query(
      `select count(*)::int as n from mana_auth.sign_in_links l where l::text like '%' || $1 || '%'`,
      [secret],
    );
    expect(rows).toEqual([{ n: 0 }]);
  });

  test('one link signs in once, also when two browsers use it together', async () => {
    const link = await linkFor(randomUUID());
    const { publicKey } = await browserKey();
    const both = await Promise.all(
      [1, 2].map(() => post('/api/v1/sessions', { link, publicKey, name: 'Tab' })),
    );
    expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 401]);
    expect(await post('/api/v1/sessions', { link, publicKey, name: 'Tab' })).toMatchObject({
      status: 401,
      body: { code: 'LINK_INVALID' },
    });
  });

  test('a link ends after 15 minutes', async () => {
    const link = await linkFor(randomUUID());
    await postgres.query(
      `update mana_auth.sign_in_links set expires_at = expires_at - interval '15 minutes' where used_at is null`,
      [],
    );
    const { publicKey } = await browserKey();
    expect(await post('/api/v1/sessions', { link, publicKey, name: 'Tab' })).toMatchObject({
      status: 401,
    });
  });

  test('only who has the service key makes links for others', async () => {
    for (const headers of [{}, { 'x-service-key': 'guess' }, bearer((await signIn()).token)]) {
      const answer = await post('/internal/sign-in-links', { userId: 'anyone' }, headers);
      expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
    }
  });

  test('a person makes a link for another device of theirs, and for nobody else', async () => {
    const { token, userId } = await signIn();
    const made = await post('/api/v1/me/sign-in-links', {}, bearer(token));
    const { publicKey } = await browserKey();
    const started = await post('/api/v1/sessions', {
      link: made.body['url'],
      publicKey,
      name: 'Phone',
    });
    expect(started).toMatchObject({ status: 201, body: { userId } });
  });

  test('one person cannot open links without end', async () => {
    const { token } = await signIn();
    const answers = await Promise.all(
      Array.from({ length: 24 }, () => post('/api/v1/me/sign-in-links', {}, bearer(token))),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('sessions', () => {
  test('a proof yields a token of ten minutes that both Workers accept', async () => {
    const { token, userId, sessionId } = await signIn();
    const { exp = 0, iat = 0, sub, sid } = decodeJwt(token);
    expect({ life: exp - iat, sub, sid }).toEqual({ life: 600, sub: userId, sid: sessionId });
    const missions = await runner.get('/api/v1/me/missions', {
      authorization: `Bearer ${token}`,
    });
    expect(missions.status).toBe(200);
    expect((await send('GET', '/api/v1/me/sessions', undefined, bearer(token))).status).toBe(200);
  });

  test('each proof counts once, and `at` has to rise', async () => {
    const { key, sessionId } = await signIn();
    const at = Date.now() + 1_000;
    const proof = await key.proof({ sid: sessionId, at, aud: ORIGIN });
    expect((await post('/api/v1/sessions/token', { proof })).status).toBe(200);
    for (const again of [at, at - 1]) {
      const old = await key.proof({ sid: sessionId, at: again, aud: ORIGIN });
      expect(await post('/api/v1/sessions/token', { proof: old })).toMatchObject({
        status: 401,
        body: { code: 'SESSION_ENDED' },
      });
    }
  });

  test('of proofs with one `at` that arrive together one counts', async () => {
    const { key, sessionId } = await signIn();
    const proof = await key.proof({ sid: sessionId, at: Date.now() + 2_000, aud: ORIGIN });
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => post('/api/v1/sessions/token', { proof })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test.each([
    ['of another origin', { aud: 'https://evil.example' }, {}],
    ['from more than a minute ahead', { at: Date.now() + 3_600_000 }, {}],
    ['without a time', { at: undefined }, {}],
    ['with a time that is no number', { at: '1' as unknown as number }, {}],
    ['of another type', {}, { typ: 'JWT' }],
    ['of a session that there is not', { sid: 'nobody' }, {}],
  ])('a proof %s is refused', async (_name, claims, header) => {
    const { key, sessionId } = await signIn();
    const proof = await key.proof(
      { sid: sessionId, at: Date.now() + 5_000, aud: ORIGIN, ...claims },
      header,
    );
    expect(await post('/api/v1/sessions/token', { proof })).toMatchObject({ status: 401 });
  });

  test('a proof by another key is refused', async () => {
    const [mine, other] = [await signIn(), await signIn()];
    const claims = { sid: mine.sessionId, at: Date.now() + 5_000, aud: ORIGIN };
    const proof = await other.key.proof(claims);
    expect(await post('/api/v1/sessions/token', { proof })).toMatchObject({ status: 401 });
  });

  test('a session that was ended yields no token; nobody ends one of another person', async () => {
    const { token, sessionId, key } = await signIn();
    const stranger = await signIn();
    const path = `/api/v1/me/sessions/${sessionId}`;
    expect((await send('DELETE', path, undefined, bearer(stranger.token))).status).toBe(404);
    expect((await send('DELETE', path, undefined, bearer(token))).status).toBe(204);
    const proof = await key.proof({ sid: sessionId, at: Date.now() + 5_000, aud: ORIGIN });
    expect(await post('/api/v1/sessions/token', { proof })).toMatchObject({ status: 401 });
  });

  test('all others end at once, and open links with them', async () => {
    const first = await signIn();
    const second = await signIn(first.userId);
    const link = await linkFor(first.userId);
    const path = `/api/v1/me/sessions?except=${second.sessionId}`;
    expect((await send('DELETE', path, undefined, bearer(second.token))).status).toBe(204);
    const listed = await send('GET', '/api/v1/me/sessions', undefined, bearer(second.token));
    expect(listed.body).toMatchObject({ sessions: [{ sessionId: second.sessionId }] });
    const { publicKey } = await browserKey();
    expect((await post('/api/v1/sessions', { link, publicKey, name: 'Late' })).status).toBe(401);
  });

  test('a session that was not used for 30 days has ended', async () => {
    const { sessionId, key } = await signIn();
    await postgres.query(
      `update mana_auth.sessions set last_used_at = now() - interval '30 days' where session_id = $1`,
      [sessionId],
    );
    const proof = await key.proof({ sid: sessionId, at: Date.now() + 5_000, aud: ORIGIN });
    expect(await post('/api/v1/sessions/token', { proof })).toMatchObject({ status: 401 });
  });

  test.each([
    ['a private key', { d: 'x'.repeat(43) }],
    ['another curve', { crv: 'P-384' }],
    ['a point that is not on the curve', { x: 'A'.repeat(43), y: 'A'.repeat(43) }],
  ])('a session is not started with %s', async (_name, change) => {
    const link = await linkFor(randomUUID());
    const { publicKey } = await browserKey();
    const body = { link, publicKey: { ...publicKey, ...change }, name: 'Tab' };
    expect(await post('/api/v1/sessions', body)).toMatchObject({
      status: 400,
      body: { code: 'BAD_REQUEST' },
    });
  });
});

describe('passkeys', () => {
  test('belong to the host name of the console', async () => {
    const { status, body } = await post('/api/v1/passkeys/challenge', {});
    expect(status).toBe(200);
    expect(body).toEqual({ challenge: expect.any(String), rpId: 'console.example' });
  });

  test('an answer that no authenticator gave is refused', async () => {
    const { publicKey } = await browserKey();
    const credential = {
      id: 'AAAA',
      rawId: 'AAAA',
      type: 'public-key',
      response: { clientDataJSON: 'e30', authenticatorData: 'AA', signature: 'AA' },
      clientExtensionResults: {},
    };
    expect(
      await post('/api/v1/sessions/passkey', { credential, publicKey, name: 'Tab' }),
    ).toMatchObject({ status: 401, body: { code: 'PASSKEY_INVALID' } });
    const { token } = await signIn();
    expect(
      await post('/api/v1/me/passkeys', { credential, name: 'Mine' }, bearer(token)),
    ).toMatchObject({ status: 400, body: { code: 'PASSKEY_REFUSED' } });
  });
});

test('who is not signed in cannot call without end', async () => {
  const { publicKey } = await browserKey();
  const body = { link: 'guess', publicKey, name: 'Tab' };
  const headers = { 'x-forwarded-for': '203.0.113.9' };
  const answers = await Promise.all(
    Array.from({ length: 150 }, () => post('/api/v1/sessions', body, headers)),
  );
  expect(answers.some(({ status }) => status === 429)).toBe(true);
  expect((await signIn()).token).not.toBe('');
});

test('the sweep removes what has ended', async () => {
  await linkFor(randomUUID());
  await postgres.query(`update mana_auth.sign_in_links set expires_at = now()`, []);
  await postgres.query('select mana_auth.remove_ended_sign_ins()', []);
  const rows = await postgres.query('select count(*)::int as n from mana_auth.sign_in_links', []);
  expect(rows).toEqual([{ n: 0 }]);
});

test('where another issuer signs user tokens, its and ours are both accepted by both Workers', async () => {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const keySet = await serveKeySet([{ ...(await exportJWK(publicKey)), kid: 'theirs' }]);
  const first = await signIn();
  await runner.stop();
  await runner.restart({
    MANA_JWKS_URL: `${keySet.url}/jwks.json`,
    MANA_JWT_ISSUER: 'https://issuer.example',
  });
  const proof = await first.key.proof({
    sid: first.sessionId,
    at: Date.now() + 9_000,
    aud: ORIGIN,
  });
  const { body } = await post('/api/v1/sessions/token', { proof });
  const theirs = (issuer: string): Promise<string> =>
    new SignJWT()
      .setProtectedHeader({ alg: 'EdDSA', kid: 'theirs' })
      .setSubject('somebody')
      .setIssuer(issuer)
      .setAudience('mana')
      .setExpirationTime('5m')
      .sign(privateKey);
  const statuses = async (token: string): Promise<number[]> => [
    (await runner.get('/api/v1/me/missions', { authorization: `Bearer ${token}` })).status,
    (await send('GET', '/api/v1/me/sessions', undefined, bearer(token))).status,
  ];
  expect(await statuses(String(body['token']))).toEqual([200, 200]);
  expect(await statuses(await theirs('https://issuer.example'))).toEqual([200, 200]);
  // Their key under our name is nobody's token.
  expect(await statuses(await theirs('mana-auth'))).toEqual([401, 401]);
  keySet.close();
});

test('without an issuer key nobody signs anybody in, and the answer says what to do', async () => {
  await runner.stop();
  await runner.restart({ MANA_AUTH_ISSUER_KEY_PEM: '' });
  const answer = await post(
    '/internal/sign-in-links',
    { userId: 'a' },
    { 'x-service-key': SERVICE_KEY },
  );
  expect(answer).toMatchObject({ status: 503, body: { code: 'ISSUER_NOT_CONFIGURED' } });
});
