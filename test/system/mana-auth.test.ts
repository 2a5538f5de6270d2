import { execFile } from 'node:child_process';
import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { importPKCS8, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate } from '../../scripts/migrate.ts';
import { projectPath } from '../../scripts/process/project.ts';
import {
  deriveRecordKeyBytes,
  encryptField,
  decryptField,
  deriveRecordKeys,
  grantKeyFinder,
  importMasterKey,
  importRunnerPrivateKeys,
  importRunnerPublicKey,
  openGrantKeys,
  parseRecordRef,
  type RecordRef,
  sealKeys,
  type Sealing,
  verifyGrant,
} from '../../src/grants/index.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { type Runner, SERVICE_KEY, startRunner, waitFor } from './support/runner.ts';

type Pem = { private: string; public: string };

function pemPair(pair: { privateKey: KeyObject; publicKey: KeyObject }): Pem {
  return {
    private: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    public: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

const runnerKey = pemPair(generateKeyPairSync('x25519'));
const olderRunnerKey = pemPair(generateKeyPairSync('x25519'));
const signingKey = pemPair(generateKeyPairSync('ed25519'));
const newSigningKey = pemPair(generateKeyPairSync('ed25519'));
const [kek, newKek] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];

let postgres: TestPostgres;
let runner: Runner;

beforeAll(async () => {
  postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
  runner = await startRunner({
    databaseUrl: postgres.databaseUrl,
    llmUrl: 'http://127.0.0.1:9/v1',
    environment: {
      MANA_AI_TICK_ENABLED: 'false',
      MANA_AI_PRIVATE_KEY_PEM: runnerKey.private + olderRunnerKey.private,
      MANA_AI_PUBLIC_KEY_PEM: runnerKey.public + olderRunnerKey.public,
      MANA_GRANT_SIGNING_KEY_PEM: signingKey.private,
      MANA_AUTH_KEK: kek,
    },
  });
}, 90_000);
afterAll(async () => {
  await runner?.dispose();
  await postgres?.stop();
});

const VAULT = '/api/v1/me/encryption-vault';
const GRANT = '/api/v1/me/ai-mission-grant';

type Json = Record<string, unknown>;
type Answer = { status: number; body: Json; headers: Headers };

/** One request to mana-auth with a user's token. */
async function call(userId: string, method: string, path: string, body?: unknown): Promise<Answer> {
  return callWith(await runner.userToken(userId), method, path, body);
}

async function callWith(
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(`${runner.authUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text === '' ? {} : (JSON.parse(text) as Json),
    headers: response.headers,
  };
}

const refusal = (status: number, code: string): unknown =>
  expect.objectContaining({
    status,
    body: expect.objectContaining({ code, error: expect.any(String) }),
  });

const newUser = (): string => `user-${randomUUID()}`;
const note: RecordRef = { tableName: 'notes', recordId: 'n1' };
const wanted = { missionId: 'm1', tables: ['notes'], recordIds: ['notes:n1'] };

async function initialised(): Promise<{ userId: string; masterKey: string }> {
  const userId = newUser();
  const { body } = await call(userId, 'POST', `${VAULT}/init`);
  return { userId, masterKey: String(body['masterKey']) };
}

async function keysRow(grantId: unknown): Promise<Json | undefined> {
  const [row] = await postgres.query('select * from mana_auth.grants where jti = $1', [grantId]);
  return row;
}

async function grantKeySet(): Promise<{ keys: { kid: string; x: string }[] }> {
  const response = await fetch(`${runner.authUrl}/.well-known/grant-jwks.json`);
  return response.json<{ keys: { kid: string; x: string }[] }>();
}

async function verify(
  token: unknown,
  userId: string,
  missionId = 'm1',
): ReturnType<typeof verifyGrant> {
  return verifyGrant({
    token,
    keyOf: await grantKeyFinder(await grantKeySet()),
    userId,
    missionId,
    nowMs: Date.now(),
  });
}

/** What the runner gets out of a grant, or the reason why nothing. */
async function opened(
  token: unknown,
  userId: string,
  keysJwe: unknown,
): Promise<Awaited<ReturnType<typeof openGrantKeys>>> {
  const verified = await verify(token, userId);
  if (!verified.ok) return verified;
  const privateKeys = await importRunnerPrivateKeys(runnerKey.private + olderRunnerKey.private);
  return openGrantKeys({ claims: verified.claims, keysJwe: String(keysJwe), privateKeys });
}

const inDays = (days: number): number => Math.floor(Date.now() / 1_000) + days * 86_400;

function headerOf(token: unknown): Json {
  return JSON.parse(Buffer.from(String(token).split('.')[0] ?? '', 'base64url').toString()) as Json;
}

const changed: Record<string, string> = {};

/** Each change stays for the restarts that follow. */
async function restartWith(changes: Record<string, string>): Promise<void> {
  Object.assign(changed, changes);
  await runner.stop();
  await runner.restart(changed);
}

async function rewrap(keks: string): Promise<string> {
  const environment = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
  const variables = { DATABASE_URL: postgres.databaseUrl, MANA_AUTH_KEK: keks };
  const run = promisify(execFile)('npm', ['run', '--silent', 'rewrap'], {
    cwd: projectPath('.'),
    env: { ...environment, ...variables },
  });
  return run.then(
    ({ stdout }) => stdout,
    ({ stdout, stderr }: { stdout: string; stderr: string }) => `failed: ${stdout}${stderr}`,
  );
}

/** Keys as a zero-knowledge person's device seals them. */
async function sealed(userId: string, changes: Partial<Sealing> = {}): Promise<string> {
  const { body } = await call(userId, 'GET', '/api/v1/me/runner-key');
  const recipient = await importRunnerPublicKey(body['jwk'] as Record<string, unknown>);
  expect(recipient.kid).toBe(body['kid']);
  const own = await importMasterKey(Uint8Array.from(randomBytes(32)));
  const { missionId = 'm1' } = changes;
  const keyed = async (name: string): Promise<[string, Map<number, Uint8Array>]> => {
    const ref = parseRecordRef(name) ?? note;
    return [name, new Map([[1, await deriveRecordKeyBytes(own, ref, 1)]])];
  };
  const keys = new Map(await Promise.all(['notes:n1', `aiMissions:${missionId}`].map(keyed)));
  return sealKeys({ recipient, userId, missionId, expiresAtSec: inDays(8), keys, ...changes });
}

describe('the vault', () => {
  test('init makes a key once, also for five at the same time; key repeats it, and each use leaves an audit row', async () => {
    const userId = newUser();
    expect(await call(userId, 'GET', `${VAULT}/status`)).toMatchObject({
      status: 200,
      body: {
        vaultExists: false,
        zeroKnowledge: false,
        hasRecoveryWrap: false,
        recoverySetAt: null,
      },
    });
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => call(userId, 'POST', `${VAULT}/init`)),
    );
    const [first] = answers;
    expect(Buffer.from(String(first?.body['masterKey']), 'base64')).toHaveLength(32);
    expect(first?.body).toEqual({
      masterKey: expect.any(String),
      kekId: expect.stringMatching(/^[0-9a-f]{16}$/),
      formatVersion: expect.any(Number),
    });
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, body: first?.body });
    expect((await call(userId, 'GET', `${VAULT}/key`)).body).toEqual(first?.body);
    expect((await call(userId, 'GET', `${VAULT}/status`)).body).toMatchObject({
      vaultExists: true,
    });
    const audit = await postgres.query(
      'select action, kek_id from mana_auth.vault_audit where user_id = $1',
      [userId],
    );
    expect(audit.map((row) => row['action'])).toEqual([
      ...Array.from({ length: 5 }, () => 'init'),
      'key',
    ]);
    expect(new Set(audit.map((row) => row['kek_id']))).toEqual(new Set([first?.body['kekId']]));
  });

  test('without a vault everything that needs one answers 404 VAULT_NOT_INITIALISED', async () => {
    const userId = newUser();
    const wrap = { recoveryWrappedMk: 'AAAA', recoveryIv: 'AAAA' };
    const masterKey = randomBytes(32).toString('base64');
    for (const [method, path, body] of [
      ['GET', `${VAULT}/key`],
      ['POST', `${VAULT}/rotate`],
      ['POST', `${VAULT}/recovery-wrap`, wrap],
      ['DELETE', `${VAULT}/recovery-wrap`],
      ['POST', `${VAULT}/zero-knowledge`, { enable: true }],
      ['POST', `${VAULT}/zero-knowledge`, { enable: false, masterKey }],
      ['POST', GRANT, wanted],
    ] as const) {
      expect(await call(userId, method, path, body), path).toEqual(
        refusal(404, 'VAULT_NOT_INITIALISED'),
      );
    }
  });

  test('its key is nowhere in the database; a row that is copied to another user does not open', async () => {
    const { userId, masterKey } = await initialised();
    const { userId: thief } = await initialised();
    const [row] = await postgres.query('select * from mana_auth.vault where user_id = $1', [
      userId,
    ]);
    const raw = Buffer.from(masterKey, 'base64');
    for (const form of [masterKey, raw.toString('hex'), raw.toString('base64url')]) {
      expect(JSON.stringify(row)).not.toContain(form);
    }
    await postgres.query(
      `update mana_auth.vault t set wrapped_key = s.wrapped_key, kek_id = s.kek_id from mana_auth.vault s
       where t.user_id = $1 and s.user_id = $2`,
      [thief, userId],
    );
    expect(await call(thief, 'GET', `${VAULT}/key`)).toEqual(refusal(500, 'VAULT_UNREADABLE'));
    expect(await call(thief, 'POST', GRANT, wanted)).toEqual(refusal(500, 'VAULT_UNREADABLE'));
    expect(await call(userId, 'GET', `${VAULT}/key`)).toMatchObject({
      status: 200,
      body: { masterKey },
    });
  });

  test('rotate makes another key, takes the recovery wrap of the old one away, and leaves live grants as they are', async () => {
    const { userId, masterKey } = await initialised();
    const minted = await call(userId, 'POST', GRANT, wanted);
    await call(userId, 'POST', `${VAULT}/recovery-wrap`, {
      recoveryWrappedMk: 'AAAA',
      recoveryIv: 'AAAA',
    });
    const rotated = await call(userId, 'POST', `${VAULT}/rotate`);
    expect(rotated.status).toBe(200);
    expect(rotated.body['masterKey']).not.toBe(masterKey);
    expect((await call(userId, 'GET', `${VAULT}/key`)).body).toEqual(rotated.body);
    expect((await call(userId, 'GET', `${VAULT}/status`)).body).toMatchObject({
      hasRecoveryWrap: false,
    });
    const row = await keysRow(minted.body['grantId']);
    expect(await opened(minted.body['token'], userId, row?.['keys_jwe'])).toMatchObject({
      ok: true,
    });
  });

  test('a body of 10 MB is 413, and the Worker goes on', async () => {
    const { userId } = await initialised();
    const huge = JSON.stringify({ recoveryWrappedMk: 'A'.repeat(10_000_000), recoveryIv: 'AAAA' });
    for (const path of [`${VAULT}/recovery-wrap`, GRANT, `${GRANT}/sealed`]) {
      expect(await call(userId, 'POST', path, huge)).toEqual(refusal(413, 'BODY_TOO_LARGE'));
      expect(await callWith('none', 'POST', path, huge)).toEqual(refusal(401, 'UNAUTHENTICATED'));
    }
    const headers = { authorization: `Bearer ${await runner.userToken(userId)}` };
    const chunked = new Blob([huge]).stream();
    const streamed = await fetch(`${runner.authUrl}${GRANT}`, {
      method: 'POST',
      headers,
      body: chunked,
      duplex: 'half',
    } as RequestInit);
    expect([streamed.status, await streamed.json()]).toEqual([
      413,
      expect.objectContaining({ code: 'BODY_TOO_LARGE' }),
    ]);
    expect(await call(userId, 'POST', '/nowhere', huge)).toEqual(refusal(404, 'NOT_FOUND'));
    expect((await call(userId, 'GET', `${VAULT}/status`)).status).toBe(200);
  });
});

describe('zero-knowledge mode', () => {
  const wrap = {
    recoveryWrappedMk: randomBytes(48).toString('base64'),
    recoveryIv: randomBytes(12).toString('base64'),
  };

  test('from the recovery code to the mode and back, with each refusal in between', async () => {
    const { userId, masterKey } = await initialised();
    const mode = (body: Json): Promise<Answer> =>
      call(userId, 'POST', `${VAULT}/zero-knowledge`, body);
    expect(await mode({ enable: true })).toEqual(refusal(400, 'RECOVERY_WRAP_MISSING'));
    expect(await call(userId, 'POST', `${VAULT}/recovery-wrap`, wrap)).toMatchObject({
      status: 200,
      body: { ok: true },
    });
    const { body: status } = await call(userId, 'GET', `${VAULT}/status`);
    expect(status).toMatchObject({ hasRecoveryWrap: true, zeroKnowledge: false });
    expect(Math.abs(Date.parse(String(status['recoverySetAt'])) - Date.now())).toBeLessThan(60_000);

    expect(await mode({ enable: true })).toMatchObject({
      status: 200,
      body: { ok: true, zeroKnowledge: true },
    });
    expect(await mode({ enable: true })).toMatchObject({
      status: 200,
      body: { ok: true, zeroKnowledge: true },
    });
    const [row] = await postgres.query(
      'select wrapped_key from mana_auth.vault where user_id = $1',
      [userId],
    );
    expect(row).toEqual({ wrapped_key: null });
    for (const [method, path, more] of [
      ['POST', `${VAULT}/init`, {}],
      ['GET', `${VAULT}/key`, { wraps: [] }],
    ] as const) {
      const { status: code, body } = await call(userId, method, path);
      expect([code, body]).toEqual([
        200,
        { requiresRecoveryCode: true, ...wrap, formatVersion: expect.any(Number), ...more },
      ]);
    }
    expect(await call(userId, 'POST', `${VAULT}/rotate`)).toEqual(
      refusal(409, 'ZK_ROTATE_FORBIDDEN'),
    );
    expect(await call(userId, 'DELETE', `${VAULT}/recovery-wrap`)).toEqual(
      refusal(409, 'ZK_ACTIVE'),
    );
    expect(await call(userId, 'POST', GRANT, wanted)).toEqual(refusal(409, 'ZK_ACTIVE'));

    const back = await mode({ enable: false, masterKey });
    expect(back).toMatchObject({ status: 200, body: { ok: true, zeroKnowledge: false } });
    expect(await mode({ enable: false, masterKey })).toMatchObject({ status: 200 });
    const stranger = randomBytes(32).toString('base64');
    expect(await mode({ enable: false, masterKey: stranger })).toEqual(refusal(400, 'BAD_REQUEST'));
    expect((await call(userId, 'GET', `${VAULT}/key`)).body).toMatchObject({ masterKey });
    expect(await call(userId, 'DELETE', `${VAULT}/recovery-wrap`)).toMatchObject({
      status: 200,
      body: { ok: true },
    });
    const audit = await postgres.query(
      'select action from mana_auth.vault_audit where user_id = $1',
      [userId],
    );
    const actions = audit.map((entry) => entry['action']);
    for (const action of [
      'recovery-wrap-set',
      'zero-knowledge-on',
      'zero-knowledge-off',
      'recovery-wrap-removed',
    ]) {
      expect(actions).toContain(action);
    }
  });
});

describe('a grant', () => {
  test('opens exactly the records that it names and the mission, with keys that the device has too', async () => {
    const { userId, masterKey } = await initialised();
    const asked = {
      missionId: 'm1',
      tables: ['notes', 'tasks'],
      recordIds: ['tasks:t:1', 'notes:n1', 'notes:n1'],
      keyVersions: { 'notes:n1': [1, 3] },
      llm: 'local',
    };
    const before = Math.floor(Date.now() / 1_000);
    const { status, body } = await call(userId, 'POST', GRANT, asked);
    expect(status).toBe(200);
    expect(body).toEqual({
      grantId: expect.any(String),
      token: expect.any(String),
      records: ['notes:n1', 'tasks:t:1'],
      llm: 'local',
      issuedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      expiresAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    const verified = await verify(body['token'], userId);
    const claims = verified.ok ? verified.claims : undefined;
    expect(claims).toMatchObject({
      sub: userId,
      jti: body['grantId'],
      mission: 'm1',
      llm: 'local',
    });
    expect((claims?.exp ?? 0) - (claims?.iat ?? 0)).toBe(7 * 86_400);
    expect(claims?.iat).toBeGreaterThanOrEqual(before);
    expect(new Date((claims?.exp ?? 0) * 1_000).toISOString()).toBe(body['expiresAt']);

    const row = await keysRow(body['grantId']);
    expect(row).toMatchObject({ user_id: userId, mission: 'm1', revoked_at: null });
    const keys = await opened(body['token'], userId, row?.['keys_jwe']);
    if (!keys.ok) throw new Error(keys.reason);
    expect([...keys.keys.keys()].toSorted()).toEqual(['aiMissions:m1', 'notes:n1', 'tasks:t:1']);
    const own = await importMasterKey(Uint8Array.from(Buffer.from(masterKey, 'base64')));
    const device = await deriveRecordKeys(own, note, [3]);
    const text = await encryptField({
      keys: device,
      version: 3,
      ref: note,
      path: 'title',
      value: 'Grüße',
    });
    const runnersKeys = keys.keys.get('notes:n1') ?? new Map();
    expect(await decryptField({ keys: runnersKeys, ref: note, path: 'title', text })).toEqual({
      ok: true,
      value: 'Grüße',
    });
  });

  test.each([
    [1, 3_600],
    [-5, 3_600],
    [7_200_000, 7_200],
    [1e15, 30 * 86_400],
  ])('asked for %d ms lives %d s', async (ttlMs, seconds) => {
    const { userId } = await initialised();
    const { body } = await call(userId, 'POST', GRANT, { ...wanted, ttlMs });
    expect(Date.parse(String(body['expiresAt'])) - Date.parse(String(body['issuedAt']))).toBe(
      seconds * 1_000,
    );
  });

  test('of 1,000 records with two versions each is minted and opens', async () => {
    const { userId } = await initialised();
    const recordIds = Array.from({ length: 1_000 }, (_, n) => `notes:n${n}`);
    const minted = await call(userId, 'POST', GRANT, { ...wanted, recordIds });
    expect(minted.status).toBe(200);
    const row = await keysRow(minted.body['grantId']);
    const keys = await opened(minted.body['token'], userId, row?.['keys_jwe']);
    expect(keys.ok && keys.keys.size).toBe(1_001);
    const keyVersions = Object.fromEntries(recordIds.map((id) => [id, [1, 2, 3, 4, 5, 6]]));
    const tooMany = await call(userId, 'POST', GRANT, { ...wanted, recordIds, keyVersions });
    expect(tooMany).toEqual(refusal(400, 'BAD_REQUEST'));
    expect(tooMany.body['error']).toMatch(/^keyVersions: /);
  });

  test('is listed, and revoking it erases its keys at once and for good; nobody else can', async () => {
    const { userId } = await initialised();
    const { userId: other } = await initialised();
    const { body: first } = await call(userId, 'POST', GRANT, wanted);
    const { body: second } = await call(userId, 'POST', GRANT, { ...wanted, missionId: 'm2' });
    const { grants: before } = (await call(userId, 'GET', GRANT)).body as { grants: Json[] };
    expect(before.map((entry) => entry['grantId'])).toEqual(
      expect.arrayContaining([first['grantId'], second['grantId']]),
    );
    const { token: _token, ...listed } = { ...second, missionId: 'm2' } as Json;
    expect(before).toContainEqual(listed);
    expect((await call(other, 'GET', GRANT)).body).toEqual({ grants: [] });

    expect(await call(other, 'DELETE', `${GRANT}/${String(first['grantId'])}`)).toEqual(
      refusal(404, 'NOT_FOUND'),
    );
    expect((await keysRow(first['grantId']))?.['keys_jwe']).toEqual(expect.any(String));
    for (let time = 0; time < 2; time += 1) {
      const ended = await call(userId, 'DELETE', `${GRANT}/${String(first['grantId'])}`);
      expect([ended.status, ended.body]).toEqual([204, {}]);
    }
    expect(await keysRow(first['grantId'])).toMatchObject({
      keys_jwe: null,
      revoked_at: expect.any(Date),
    });
    const { grants: after } = (await call(userId, 'GET', GRANT)).body as { grants: Json[] };
    expect(after.map((entry) => [entry['grantId'], typeof entry['revokedAt']])).toEqual([
      [second['grantId'], 'undefined'],
      [first['grantId'], 'string'],
    ]);
    for (const id of ['unknown', '%00', '%ff', 'a'.repeat(300)]) {
      expect(await call(userId, 'DELETE', `${GRANT}/${id}`)).toEqual(refusal(404, 'NOT_FOUND'));
    }
  });

  test('60 within a minute, counted per user and without gaps for those at the same time; the 61st says when', async () => {
    const { userId } = await initialised();
    const outcomes: Answer[] = [];
    for (let batch = 0; batch < 4; batch += 1) {
      outcomes.push(
        ...(await Promise.all(
          Array.from({ length: 16 }, () => call(userId, 'POST', GRANT, wanted)),
        )),
      );
    }
    expect(outcomes.filter(({ status }) => status === 200)).toHaveLength(60);
    const refused = outcomes.filter(({ status }) => status !== 200);
    for (const answer of refused) {
      expect(answer).toEqual(refusal(429, 'RATE_LIMITED'));
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    }
    expect(refused).toHaveLength(4);
    const { userId: other } = await initialised();
    expect((await call(other, 'POST', GRANT, wanted)).status).toBe(200);
    // A minute later there is room again.
    await postgres.query(
      `update mana_auth.grants set created_at = created_at - interval '61 s' where user_id = $1`,
      [userId],
    );
    expect((await call(userId, 'POST', GRANT, wanted)).status).toBe(200);
  });
});

describe('sealed by the device', () => {
  const hourSec = 3_600;

  test('keys that nobody here can see are signed for, and the runner opens them', async () => {
    const userId = newUser();
    const keys = await sealed(userId);
    const { status, body } = await call(userId, 'POST', `${GRANT}/sealed`, { ...wanted, keys });
    expect([status, body['records'], body['llm']]).toEqual([200, ['notes:n1'], 'any']);
    const row = await keysRow(body['grantId']);
    expect(row?.['keys_jwe']).toBe(keys);
    expect(await opened(body['token'], userId, keys)).toMatchObject({ ok: true });
    const older = await importRunnerPublicKey(olderRunnerKey.public);
    const toOlder = await sealed(userId, { recipient: older });
    const again = await call(userId, 'POST', `${GRANT}/sealed`, { ...wanted, keys: toOlder });
    expect(await opened(again.body['token'], userId, toOlder)).toMatchObject({ ok: true });
  });

  test.each<[string, (userId: string) => Promise<string>]>([
    ['another person', (_userId) => sealed(newUser())],
    ['another mission', (userId) => sealed(userId, { missionId: 'm2' })],
    ['an end before the grant', (userId) => sealed(userId, { expiresAtSec: inDays(6) })],
    [
      'a key that is not the runner’s',
      async (userId) =>
        sealed(userId, {
          recipient: await importRunnerPublicKey(pemPair(generateKeyPairSync('x25519')).public),
        }),
    ],
    [
      'more than 192 KiB',
      async (userId) =>
        (await sealed(userId)).replace(/\.([^.]*)\.([^.]*)$/, `.${'A'.repeat(200_000)}.$2`),
    ],
    ['a cut text', async (userId) => (await sealed(userId)).slice(0, -8)],
  ])('refused as a field: %s', async (_what, make) => {
    const userId = newUser();
    const answer = await call(userId, 'POST', `${GRANT}/sealed`, {
      ...wanted,
      keys: await make(userId),
    });
    expect(answer).toEqual(refusal(400, 'BAD_REQUEST'));
    expect(answer.body['error']).toMatch(/^keys: /);
  });

  test('an end before the default one is good for a grant that ends sooner', async () => {
    const userId = newUser();
    const keys = await sealed(userId, { expiresAtSec: inDays(1) });
    const ttlMs = hourSec * 1_000;
    expect((await call(userId, 'POST', `${GRANT}/sealed`, { ...wanted, ttlMs, keys })).status).toBe(
      200,
    );
  });

  test('counts against the same limit', async () => {
    const userId = newUser();
    const keys = await sealed(userId);
    const calls = Array.from({ length: 61 }, () =>
      call(userId, 'POST', `${GRANT}/sealed`, { ...wanted, keys }),
    );
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(60);
    expect(statuses.filter((status) => status === 429)).toHaveLength(1);
  });
});

describe('tokens of one kind are none of the other', () => {
  test('a grant is no user token, neither as it is nor signed as one by the grant key; a user token is no grant', async () => {
    const { userId } = await initialised();
    const { body } = await call(userId, 'POST', GRANT, wanted);
    expect(headerOf(body['token'])).toEqual({
      alg: 'Ed25519',
      typ: 'mission-grant+jwt',
      kid: (await grantKeySet()).keys[0]?.kid,
    });
    const key = await importPKCS8(signingKey.private, 'EdDSA');
    const asUserToken = await new SignJWT()
      .setProtectedHeader({
        alg: 'EdDSA',
        typ: 'JWT',
        kid: (await grantKeySet()).keys[0]?.kid ?? '',
      })
      .setSubject(userId)
      .setIssuer('mana-auth')
      .setAudience('mana')
      .setExpirationTime('1h')
      .sign(key);
    for (const token of [String(body['token']), asUserToken]) {
      expect(await callWith(token, 'GET', `${VAULT}/key`)).toEqual(refusal(401, 'UNAUTHENTICATED'));
      expect(
        (await runner.get('/api/v1/me/missions', { authorization: `Bearer ${token}` })).status,
      ).toBe(401);
    }
    expect(await verify(await runner.userToken(userId), userId)).toMatchObject({ ok: false });
  });
});

test('the runner’s key for services', async () => {
  const path = '/internal/ai-runner-pubkey';
  const response = await fetch(`${runner.authUrl}${path}`, {
    headers: { 'x-service-key': SERVICE_KEY },
  });
  const { publicKeyPem, kid } = await response.json<{ publicKeyPem: string; kid: string }>();
  expect(publicKeyPem.trim()).toBe(runnerKey.public.trim());
  expect((await call(newUser(), 'GET', '/api/v1/me/runner-key')).body['kid']).toBe(kid);
  expect((await fetch(`${runner.authUrl}${path}`)).status).toBe(401);
});

describe('rotation, one start after the other', () => {
  test('of the KEK: the old one opens, the new one wraps, rewrap moves all, and then the old one can go', async () => {
    const { userId, masterKey } = await initialised();
    const { body: before } = await call(userId, 'GET', `${VAULT}/key`);
    await restartWith({ MANA_AUTH_KEK: `${newKek},${kek}` });
    expect((await call(userId, 'GET', `${VAULT}/key`)).body).toEqual(before);
    const { userId: newcomer } = await initialised();
    const newId = (await call(newcomer, 'GET', `${VAULT}/key`)).body['kekId'];
    expect(newId).not.toBe(before['kekId']);

    // Rows that an earlier test copied from one user to another open under no key.
    await postgres.query(`delete from mana_auth.vault v using mana_auth.vault w
      where v.wrapped_key = w.wrapped_key and v.user_id <> w.user_id`);
    expect(await rewrap(newKek)).toMatch(
      new RegExp(`failed: .*MANA_AUTH_KEK lacks ${String(before['kekId'])}`, 's'),
    );
    expect(await rewrap(`${newKek},${kek}`)).toMatch(/^rewrap: [1-9]\d* master keys are wrapped/);
    expect(await rewrap(newKek)).toMatch(/^rewrap: 0 master keys/);
    expect((await call(userId, 'GET', `${VAULT}/key`)).body).toMatchObject({
      masterKey,
      kekId: newId,
    });
    await restartWith({ MANA_AUTH_KEK: newKek });
    expect((await call(userId, 'GET', `${VAULT}/key`)).body).toMatchObject({
      masterKey,
      kekId: newId,
    });
    const audit = await postgres.query(
      `select count(*)::int as n from mana_auth.vault_audit where user_id = $1 and action = 'rewrap'`,
      [userId],
    );
    expect(audit).toEqual([{ n: 1 }]);
  });

  test('of the signing key: both are in the key set, old grants verify, new ones bear the new kid; kids are not mixed up', async () => {
    const { userId } = await initialised();
    const { body: old } = await call(userId, 'POST', GRANT, wanted);
    await restartWith({ MANA_GRANT_SIGNING_KEY_PEM: newSigningKey.private + signingKey.private });
    const { keys } = await grantKeySet();
    expect(keys).toHaveLength(2);
    const { body: fresh } = await call(userId, 'POST', GRANT, wanted);
    expect([headerOf(fresh['token'])['kid'], headerOf(old['token'])['kid']]).toEqual(
      keys.map(({ kid }) => kid),
    );
    for (const { token } of [old, fresh])
      expect(await verify(token, userId)).toMatchObject({ ok: true });
    const response = await fetch(`${runner.authUrl}/.well-known/jwks.json`);
    const userKeys = await response.json<{ keys: { kid: string }[] }>();
    const shared = userKeys.keys.filter(({ kid }) => keys.some((key) => key.kid === kid));
    expect([userKeys.keys.length, shared]).toEqual([1, []]);
  });

  test('what expired while the process was down is swept at its start, and nothing else', async () => {
    const { userId } = await initialised();
    const { body: live } = await call(userId, 'POST', GRANT, wanted);
    const { body: over } = await call(userId, 'POST', GRANT, wanted);
    await postgres.query(`update mana_auth.grants set expires_at = now() where jti = $1`, [
      over['grantId'],
    ]);
    await restartWith({});
    await waitFor(
      async () => (await keysRow(over['grantId']))?.['keys_jwe'] === null || undefined,
      'the sweep',
    );
    expect(await keysRow(over['grantId'])).toMatchObject({ revoked_at: null });
    expect((await keysRow(live['grantId']))?.['keys_jwe']).toEqual(expect.any(String));
  });

  test('without key pairs the process starts and minting answers 503; no log has held a key or an id', async () => {
    const { userId, masterKey } = await initialised();
    const logs = runner.output();
    await restartWith({ MANA_AI_PUBLIC_KEY_PEM: '', MANA_GRANT_SIGNING_KEY_PEM: '' });
    expect(await call(userId, 'POST', GRANT, wanted)).toEqual(refusal(503, 'GRANT_NOT_CONFIGURED'));
    expect(await call(userId, 'POST', `${GRANT}/sealed`, wanted)).toEqual(
      refusal(503, 'GRANT_NOT_CONFIGURED'),
    );
    expect(await call(userId, 'GET', '/api/v1/me/runner-key')).toEqual(
      refusal(503, 'GRANT_NOT_CONFIGURED'),
    );
    expect((await call(userId, 'GET', `${VAULT}/key`)).status).toBe(200);
    for (const secret of [masterKey, userId, newKek, 'PRIVATE KEY']) {
      expect(logs + runner.output()).not.toContain(secret);
    }
  });
});
