import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeKeys } from '../../../scripts/keys.ts';
import { userToken } from '../../../scripts/token.ts';
import { readPemKeys } from '../../../src/grants/pem.ts';
import { parseManaAiConfig } from '../../../src/config/mana-ai.ts';
import { createUserTokenVerifier } from '../../../src/http/user-token.ts';
import { parseManaAuthConfig } from '../../../src/config/mana-auth.ts';
import { issuerKeySet } from '../../../src/mana-auth/key-set.ts';

const NAMES = [
  'MANA_AI_PRIVATE_KEY_PEM',
  'MANA_AI_PUBLIC_KEY_PEM',
  'MANA_GRANT_SIGNING_KEY_PEM',
  'MANA_AUTH_KEK',
  'MANA_SERVICE_KEY',
];

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mana-edge-keys-'));
  path = join(folder, '.env');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function values(): Promise<Record<string, string>> {
  return parse(await readFile(path, 'utf8'));
}

describe('without a file', () => {
  test('all keys are written, readable by their owner alone, and both configurations take them', async () => {
    const report = await writeKeys(path, { replace: false });
    expect(report).toEqual({ written: NAMES, keptOld: [], droppedRsa: [], unchanged: [] });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['.env']);
    expect(parseManaAuthConfig(await values())).toMatchObject({ ok: true });
    expect(parseManaAiConfig(await values())).toMatchObject({ ok: true });
  });

  test('the public key belongs to the private key', async () => {
    await writeKeys(path, { replace: false });
    const written = await values();
    const half = createPublicKey(createPrivateKey(written['MANA_AI_PRIVATE_KEY_PEM'] ?? ''));
    expect(half.export({ type: 'spki', format: 'pem' }).toString().trim()).toBe(
      written['MANA_AI_PUBLIC_KEY_PEM']?.trim(),
    );
  });

  test('each assignment is one line', async () => {
    await writeKeys(path, { replace: false });
    expect((await readFile(path, 'utf8')).trimEnd().split('\n')).toHaveLength(NAMES.length);
  });
});

test('the key that signs user tokens is made by itself, beside the others, and signs tokens that its key set verifies', async () => {
  await writeKeys(path, { replace: false });
  const before = await values();
  await expect(userToken(before, 'me')).rejects.toThrow('npm run keys -- --issuer');
  const report = await writeKeys(path, { replace: false, issuer: true });
  expect(report.written).toEqual(['MANA_AUTH_ISSUER_KEY_PEM']);
  const after = await values();
  expect(after).toMatchObject(before);
  const parsed = parseManaAuthConfig(after);
  const keySet = await issuerKeySet(parsed.ok ? parsed.config.issuerKeys : []);
  const verify = createUserTokenVerifier({ keySet, issuer: 'mana-auth', audience: 'mana' });
  expect(await verify(await userToken(after, 'me'))).toEqual({ ok: true, userId: 'me' });
  const elsewhere = { MANA_JWKS_URL: 'https://auth.example/jwks.json' };
  await expect(userToken(elsewhere, 'me')).rejects.toThrow('take one from there');
});

describe('with a file', () => {
  test.each(NAMES)('a %s that is set is a refusal and leaves the file alone', async (name) => {
    const text = `A=1\n${name}=anything\n`;
    await writeFile(path, text, { mode: 0o644 });
    await expect(writeKeys(path, { replace: false })).rejects.toMatchObject({ code: 'KEYS_EXIST' });
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  test('other lines stay as they are, an empty assignment is filled in its place, and the mode becomes 0600', async () => {
    await writeFile(
      path,
      '# MANA_SERVICE_KEY=example\nMANA_SERVICE_KEY=\n\nDATABASE_URL=postgres://h/d # mine',
      {
        mode: 0o644,
      },
    );
    await writeKeys(path, { replace: false });
    const lines = (await readFile(path, 'utf8')).split('\n');
    expect(lines[0]).toBe('# MANA_SERVICE_KEY=example');
    expect(lines[1]).toMatch(/^MANA_SERVICE_KEY=".{43}"$/);
    expect(lines.slice(2, 4)).toEqual(['', 'DATABASE_URL=postgres://h/d # mine']);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('a link to the file stays a link', async () => {
    const target = join(folder, 'real');
    await writeFile(target, 'A=1\n');
    await symlink(target, path);
    await writeKeys(path, { replace: false });
    expect(await readFile(target, 'utf8')).toMatch(/^A=1\nMANA_AI_PRIVATE_KEY_PEM=/);
  });

  test('a folder in its place is a clear error', async () => {
    await expect(writeKeys(folder, { replace: true })).rejects.toMatchObject({
      code: 'FILE_FAILED',
    });
  });
});

describe('replace', () => {
  test('the new keys come first and the old ones stay behind them; the service key stays', async () => {
    await writeKeys(path, { replace: false });
    const before = await values();
    const report = await writeKeys(path, { replace: true });
    const after = await values();
    expect(report.keptOld).toEqual(NAMES.slice(0, 4));
    expect(report.unchanged).toEqual(['MANA_SERVICE_KEY']);
    expect(after['MANA_SERVICE_KEY']).toBe(before['MANA_SERVICE_KEY']);
    expect(after['MANA_AUTH_KEK']?.split(',')).toEqual([
      expect.any(String),
      before['MANA_AUTH_KEK'],
    ]);
    const [one, two] = [before, after].map((env) =>
      readPemKeys(env['MANA_AI_PRIVATE_KEY_PEM'] ?? '', 'x25519-private'),
    );
    if (!one?.ok || !two?.ok) throw new Error('unreadable');
    expect(two.keys).toHaveLength(2);
    expect(two.keys[1]).toEqual(one.keys[0]);
    expect(two.keys[0]).not.toEqual(one.keys[0]);
    expect(parseManaAuthConfig(after)).toMatchObject({ ok: true });
    expect(parseManaAiConfig(after)).toMatchObject({ ok: true });
  });

  test('old keys in real lines are kept; later duplicates go', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await writeFile(
      path,
      `MANA_GRANT_SIGNING_KEY_PEM=wrong\nexport MANA_GRANT_SIGNING_KEY_PEM="${pem}"\nA=1\n`,
    );
    await writeKeys(path, { replace: true });
    const text = await readFile(path, 'utf8');
    expect(text.match(/MANA_GRANT_SIGNING_KEY_PEM/g)).toHaveLength(1);
    expect(text).toContain('\nA=1\n');
    expect((await values())['MANA_GRANT_SIGNING_KEY_PEM']).toContain(pem.trim());
  });

  test('an RSA key goes', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const escaped = privateKey
      .export({ type: 'pkcs8', format: 'pem' })
      .toString()
      .replaceAll('\n', '\\n');
    const spki = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    await writeFile(path, `MANA_AI_PRIVATE_KEY_PEM=${escaped}\nMANA_AI_PUBLIC_KEY_PEM="${spki}"\n`);
    const report = await writeKeys(path, { replace: true });
    expect(report.droppedRsa).toEqual(['MANA_AI_PRIVATE_KEY_PEM', 'MANA_AI_PUBLIC_KEY_PEM']);
    expect(report.keptOld).toEqual([]);
    expect(parseManaAiConfig(await values())).toMatchObject({ ok: true });
  });

  test.each(['MANA_AI_PRIVATE_KEY_PEM', 'MANA_AUTH_KEK'])(
    'a %s that cannot be read is never thrown away',
    async (name) => {
      const text = `${name}=nonsense\n`;
      await writeFile(path, text);
      const error: unknown = await writeKeys(path, { replace: true }).catch(
        (caught: unknown) => caught,
      );
      expect(error).toMatchObject({ code: 'KEY_UNREADABLE' });
      expect(String(error)).not.toContain('nonsense');
      expect(await readFile(path, 'utf8')).toBe(text);
    },
  );
});
