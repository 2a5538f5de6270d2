import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  type ManaAiConfig,
  parseManaAiConfig,
  requireForServe,
} from '../../../src/config/mana-ai.ts';

function privatePem(type: 'x25519' | 'ed25519'): string {
  const pair = type === 'x25519' ? generateKeyPairSync('x25519') : generateKeyPairSync('ed25519');
  return pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

const publicPem = generateKeyPairSync('x25519')
  .publicKey.export({ type: 'spki', format: 'pem' })
  .toString();
const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });

function config(env: Record<string, unknown>): ManaAiConfig {
  const parsed = parseManaAiConfig(env);
  if (!parsed.ok) throw new Error(`${parsed.variable} ${parsed.message}`);
  return parsed.config;
}

const NONSENSE: readonly (readonly [string, string])[] = [
  ['DATABASE_URL', 'mysql://secret-host/db'],
  ['DATABASE_URL', 'postgres:///mana'],
  ['DATABASE_URL', ' postgres://user:secret@host/db'],
  ['DATABASE_URL', 'postgres://user:secret@host/db\n'],
  ['DATABASE_URL', 'postgres://user:100%zz@host/db'],
  ['MANA_AI_PORT', '0'],
  ['MANA_AI_PORT', '3066.5'],
  ['MANA_AUTH_PORT', '65536'],
  ['MANA_DATA_DIR', './a\0b'],
  ['MANA_DATA_DIR', '     '],
  ['MANA_SERVICE_KEY', ' spaced '],
  ['MANA_DRAIN_TOKEN', 'two\nlines'],
  ['MANA_AI_TICK_ENABLED', 'perhaps'],
  ['MANA_AI_TICK_INTERVAL_MS', '1e3'],
  ['MANA_LLM_URL', 'localhost:11434'],
  ['MANA_LLM_URL', 'http://api.example.com/v1'],
  ['MANA_LLM_URL', 'https://user:password@api.example.com'],
  ['MANA_LLM_MODEL', 'two\nlines'],
  ['MANA_LLM_MODEL', 'gpt-oss:120b-cloud '],
  ['MANA_LLM_API_KEY', 'schlüssel'],
  ['MANA_LLM_LOCALITY', 'nearby'],
  ['MANA_LLM_MAX_CONCURRENCY', '0'],
  ['MANA_LLM_MAX_CONCURRENCY', '-1'],
  ['MANA_LLM_TIMEOUT_MS', '5s'],
  ['MANA_LLM_MAX_TOKENS', '0x10'],
  ['MANA_LLM_MAX_TOOLS', '257'],
  ['MANA_TIME_ZONE', 'Mars/Olympus'],
  ['MANA_LOCALE', 'nonsense'],
  ['MANA_LOCALE', 'de_AT'],
  ['MANA_JWKS_URL', 'file:///etc/keys'],
  ['MANA_JWT_ISSUER', 'a\tb'],
  ['MANA_JWT_AUDIENCE', 'a\nb'],
  ['MANA_GRANT_JWKS_URL', 'nonsense'],
  ['MANA_GRANT_JWKS_URL', 'http://127.0.0.1:3001/.well-known/jwks.json'],
  ['MANA_AI_PRIVATE_KEY_PEM', 'nonsense'],
  ['MANA_AI_PRIVATE_KEY_PEM', privatePem('ed25519')],
  ['MANA_AI_PRIVATE_KEY_PEM', publicPem],
  ['MANA_AI_PRIVATE_KEY_PEM', `${privatePem('x25519')}and more`],
  ['MANA_AI_PUBLIC_KEY_PEM', privatePem('x25519')],
  ['MANA_RESEARCH_URL', 'ftp://example.com'],
];

describe('malformed variables', () => {
  test.each(NONSENSE)('%s is named and its value %j is not told', (variable, value) => {
    const parsed = parseManaAiConfig({ [variable]: value });
    expect(parsed).toMatchObject({ ok: false, variable });
    if (!parsed.ok && value.length > 4) expect(parsed.message).not.toContain(value);
  });

  test.each([
    ['MANA_AI_PRIVATE_KEY_PEM', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' })],
    ['MANA_AI_PRIVATE_KEY_PEM', rsa.privateKey.export({ type: 'pkcs1', format: 'pem' })],
    ['MANA_AI_PUBLIC_KEY_PEM', rsa.publicKey.export({ type: 'spki', format: 'pem' })],
  ])('an RSA key in %s says how to replace it', (variable, pem) => {
    const parsed = parseManaAiConfig({ [variable]: pem.toString() });
    expect(parsed).toMatchObject({
      ok: false,
      variable,
      message: expect.stringContaining('npm run keys -- --replace'),
    });
  });
});

describe('defaults', () => {
  test('an empty environment has those of the documentation', () => {
    expect(config({})).toEqual({
      databaseUrl: null,
      port: 3066,
      authPort: 3001,
      dataDir: './.data',
      serviceKey: null,
      drainToken: null,
      workerdVersion: null,
      tick: { enabled: true, intervalMs: 60_000 },
      llm: {
        baseUrl: null,
        model: null,
        apiKey: null,
        locality: 'local',
        maxConcurrency: 1,
        timeoutMs: 300_000,
        maxTokens: 2_048,
        maxTools: 16,
      },
      timeZone: 'UTC',
      locale: 'en',
      decide: 'app',
      userTokens: {
        jwksUrl: 'http://127.0.0.1:3001/.well-known/jwks.json',
        issuer: 'mana-auth',
        audience: 'mana',
      },
      grantJwksUrl: 'http://127.0.0.1:3001/.well-known/grant-jwks.json',
      runnerKeys: { privatePem: null, publicPem: null },
      researchUrl: null,
    });
  });

  test.each(['', null, undefined])('%j is unset for every variable', (empty) => {
    const env = Object.fromEntries(NONSENSE.map(([name]) => [name, empty]));
    expect(config(env)).toEqual(config({}));
  });

  test('key sets follow the port of mana-auth', () => {
    expect(config({ MANA_AUTH_PORT: '4001' }).grantJwksUrl).toBe(
      'http://127.0.0.1:4001/.well-known/grant-jwks.json',
    );
  });

  test('names that are not ours and bindings that are objects are ignored', () => {
    expect(config({ DISPATCHER: {}, PATH: '/bin' })).toEqual(config({}));
  });
});

describe('the language model', () => {
  test.each([
    ['http://127.0.0.1:11434', 'http://127.0.0.1:11434/v1'],
    ['http://ollama:11434/', 'http://ollama:11434/v1'],
    ['https://api.example.com/openai/v2/', 'https://api.example.com/openai/v2'],
  ])('the base URL %s becomes %s', (url, baseUrl) => {
    expect(config({ MANA_LLM_URL: url }).llm.baseUrl).toBe(baseUrl);
  });

  test.each([
    'http://localhost:1',
    'http://127.1',
    'http://[::1]',
    'http://10.0.0.1',
    'http://172.31.0.1',
    'http://192.168.1.2',
    'http://[fd00::1]',
    'http://[::ffff:10.0.0.1]',
    'http://ollama',
    'http://gpu.local',
    'http://host.docker.internal',
    'http://100.64.0.1',
    'http://100.127.255.254',
    'http://gpu.lan',
    'http://gpu.home.arpa',
  ])('%s is local: plain http, one at a time, 16 tools', (url) => {
    expect(config({ MANA_LLM_URL: url }).llm).toMatchObject({
      locality: 'local',
      maxConcurrency: 1,
      maxTools: 16,
    });
  });

  test.each([
    'https://api.example.com',
    'https://172.32.0.1',
    'https://8.8.8.8',
    'https://[2001:db8::1]',
    'https://[::ffff:8.8.8.8]',
    'https://local.example.com',
    'https://example.com.',
    'https://100.63.0.1',
    'https://100.128.0.1',
    'https://gpu.arpa',
    'https://lan.example.com',
  ])('%s is remote: four at a time, 64 tools, no plain http', (url) => {
    expect(config({ MANA_LLM_URL: url }).llm).toMatchObject({
      locality: 'remote',
      maxConcurrency: 4,
      maxTools: 64,
    });
    expect(parseManaAiConfig({ MANA_LLM_URL: url.replace('https', 'http') })).toMatchObject({
      ok: false,
    });
  });

  test('the setting wins over the host', () => {
    expect(
      config({ MANA_LLM_URL: 'https://llm.example.com', MANA_LLM_LOCALITY: 'local' }).llm.locality,
    ).toBe('local');
    expect(
      config({ MANA_LLM_URL: 'http://ollama', MANA_LLM_LOCALITY: 'remote' }).llm.locality,
    ).toBe('remote');
  });

  test.each(['gpt-oss:120b-cloud', 'kimi-k2:cloud'])(
    'the model %s is remote whatever the setting says',
    (model) => {
      const env = {
        MANA_LLM_URL: 'http://ollama',
        MANA_LLM_MODEL: model,
        MANA_LLM_LOCALITY: 'local',
      };
      expect(config(env).llm.locality).toBe('remote');
    },
  );
});

describe('keys', () => {
  test.each([
    ['one key', privatePem('x25519')],
    ['several keys', privatePem('x25519') + privatePem('x25519')],
    ['escaped line ends', privatePem('x25519').replaceAll('\n', String.raw`\n`)],
    ['Windows line ends', privatePem('x25519').replaceAll('\n', '\r\n')],
  ])('%s are accepted', (_name, pem) => {
    expect(
      parseManaAiConfig({ MANA_AI_PRIVATE_KEY_PEM: pem, MANA_AI_PUBLIC_KEY_PEM: publicPem }).ok,
    ).toBe(true);
  });
});

describe('serve', () => {
  const whole = { DATABASE_URL: 'postgresql://u:p@db/mana', MANA_LLM_URL: 'http://ollama' };

  test('it needs a database and a language model', () => {
    expect(requireForServe(config(whole)).ok).toBe(true);
  });

  test.each(['DATABASE_URL', 'MANA_LLM_URL'])('without %s it says so', (variable) => {
    expect(requireForServe(config({ ...whole, [variable]: '' }))).toMatchObject({
      ok: false,
      variable,
    });
  });
});
