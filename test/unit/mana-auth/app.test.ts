import { generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint, exportPKCS8, generateKeyPair } from 'jose';
import { describe, expect, it } from 'vitest';
import { createApp } from '../../../src/mana-auth/app.ts';
import { parseManaAuthConfig } from '../../../src/config/mana-auth.ts';
import { noDatabase } from './stubs.ts';
import { createLogger } from '../../../src/telemetry/logs.ts';

async function ed25519Pem(): Promise<string> {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  return exportPKCS8(privateKey);
}

async function request(
  env: Record<string, string>,
  path: string,
  postgresOk = true,
): Promise<Response> {
  const app = createApp({
    config: parseManaAuthConfig(env),
    database: noDatabase,
    postgresHealth: async () => ({ ok: postgresOk }),
    logger: createLogger({ component: 'test' }),
    nowMs: () => 0,
  });
  return app.request(path);
}

/** SPKI (RFC 8410) around any 32 bytes. */
function x25519Pem(raw: Buffer): string {
  const spki = Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), raw]).toString(
    'base64',
  );
  return `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----`;
}

const PUBLIC_FIELDS = ['alg', 'crv', 'kid', 'kty', 'use', 'x'];

type KeySet = { keys: Record<string, string>[] };

describe('mana-auth', () => {
  it('publishes the public halves of every issuer key and never a private part', async () => {
    const pem = `${await ed25519Pem()}\n${await ed25519Pem()}`;
    const response = await request(
      { MANA_AUTH_ISSUER_KEY_PEM: pem.replaceAll('\n', '\\n') },
      '/.well-known/jwks.json',
    );
    const { keys } = await response.json<KeySet>();
    expect(keys).toHaveLength(2);
    expect(keys.map((key) => Object.keys(key).toSorted())).toEqual([PUBLIC_FIELDS, PUBLIC_FIELDS]);
  });

  it('keeps the two key sets apart', async () => {
    const env = { MANA_AUTH_ISSUER_KEY_PEM: await ed25519Pem() };
    expect(await (await request(env, '/.well-known/grant-jwks.json')).json()).toEqual({ keys: [] });
  });

  it('names a grant key by its RFC 7638 thumbprint, with alg Ed25519 and use sig', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const response = await request(
      { MANA_GRANT_SIGNING_KEY_PEM: pem },
      '/.well-known/grant-jwks.json',
    );
    const { x = '' } = publicKey.export({ format: 'jwk' });
    const kid = await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x });
    expect(await response.json()).toEqual({
      keys: [{ kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'Ed25519', use: 'sig' }],
    });
  });

  it('has an empty user key set when no issuer key is set; an empty variable is unset', async () => {
    const response = await request({ MANA_AUTH_ISSUER_KEY_PEM: '' }, '/.well-known/jwks.json');
    expect([response.status, await response.json()]).toEqual([200, { keys: [] }]);
  });

  it.each([
    ['fails', () => Promise.reject(new Error('object reset')), 'POSTGRES_UNAVAILABLE'],
    ['never answers', () => new Promise<never>(() => undefined), 'POSTGRES_TIMEOUT'],
  ])('answers /health with 200 while the pool %s', async (_what, postgresHealth, code) => {
    const config = parseManaAuthConfig({});
    const logger = createLogger({ component: 'test' });
    const deps = {
      config,
      database: noDatabase,
      postgresHealth,
      logger,
      nowMs: () => 0,
      healthTimeoutMs: 1,
    };
    const response = await createApp(deps).request('/health');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: 'degraded',
      postgres: { ok: false, error: { code } },
    });
  });

  it('refuses a key that would sign user tokens and grants, also as a second key', async () => {
    const [issuer, grant] = [await ed25519Pem(), await ed25519Pem()];
    const env = {
      MANA_AUTH_ISSUER_KEY_PEM: issuer,
      MANA_GRANT_SIGNING_KEY_PEM: `${grant}\n${issuer}`,
    };
    expect(parseManaAuthConfig(env)).toMatchObject({
      ok: false,
      variable: 'MANA_GRANT_SIGNING_KEY_PEM',
    });
    expect(parseManaAuthConfig({ ...env, MANA_GRANT_SIGNING_KEY_PEM: grant })).toMatchObject({
      ok: true,
    });
  });

  it('tells an RSA key and says what to run', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const { error } = await (
      await request({ MANA_GRANT_SIGNING_KEY_PEM: pem }, '/health')
    ).json<{ error: string }>();
    expect(error).toMatch(/^MANA_GRANT_SIGNING_KEY_PEM .*npm run keys -- --replace/);
  });

  it('stays up and says degraded while Postgres is away', async () => {
    const response = await request({}, '/health', false);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'degraded', postgres: { ok: false } });
  });

  it.each([
    ['DATABASE_URL', 'mysql://nowhere'],
    ['MANA_AUTH_KEK', 'short'],
    ['MANA_AUTH_KEK', `${Buffer.alloc(32, 1).toString('base64')},`],
    ['MANA_AUTH_KEK', Array(2).fill(Buffer.alloc(32, 1).toString('base64')).join(',')],
    ['MANA_AUTH_KEK', Buffer.alloc(31, 1).toString('base64')],
    ['MANA_AI_PUBLIC_KEY_PEM', x25519Pem(Buffer.alloc(32))],
    ['MANA_AI_PUBLIC_KEY_PEM', x25519Pem(Buffer.concat([Buffer.from([1]), Buffer.alloc(31)]))],
    ['MANA_JWKS_URL', 'ftp://keys.example.com/x'],
    ['MANA_GRANT_SIGNING_KEY_PEM', 'nonsense'],
    ['MANA_AUTH_ISSUER_KEY_PEM', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'],
    ['MANA_AI_PUBLIC_KEY_PEM', 'nonsense'],
  ])('answers 503 and names %s when it is malformed, without its value', async (name, value) => {
    const response = await request({ [name]: value }, '/health');
    const { code, error } = await response.json<{ code: string; error: string }>();
    expect([response.status, code]).toEqual([503, 'CONFIG_INVALID']);
    expect(error).toContain(name);
    expect(error).not.toContain(value);
  });

  it('answers unknown routes with 404 in JSON', async () => {
    const response = await request({}, '/nothing');
    expect([response.status, await response.json()]).toEqual([
      404,
      { error: 'There is no such route.', code: 'NOT_FOUND' },
    ]);
  });
});
