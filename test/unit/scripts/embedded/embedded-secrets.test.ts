import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { embeddedSecrets } from '../../../../scripts/embedded/embedded-secrets.ts';
import { parseManaAiConfig } from '../../../../src/config/mana-ai.ts';
import { parseManaAuthConfig } from '../../../../src/config/mana-auth.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mana-edge-secrets-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the first start makes every key, for its owner alone; the next ones find the same', () => {
  const first = embeddedSecrets(folder);
  expect(embeddedSecrets(folder)).toEqual(first);
  expect(readdirSync(folder)).toEqual(['secrets.json']);
  expect(statSync(join(folder, 'secrets.json')).mode & 0o777).toBe(0o600);
  const environment = {
    MANA_AI_PRIVATE_KEY_PEM: first.runnerPrivateKeyPem,
    MANA_AI_PUBLIC_KEY_PEM: first.runnerPublicKeyPem,
    MANA_GRANT_SIGNING_KEY_PEM: first.grantSigningKeyPem,
    MANA_AUTH_ISSUER_KEY_PEM: first.issuerKeyPem,
    MANA_AUTH_KEK: first.kek,
    MANA_SERVICE_KEY: first.serviceKey,
  };
  expect(parseManaAuthConfig(environment)).toMatchObject({ ok: true });
  expect(parseManaAiConfig(environment)).toMatchObject({ ok: true });
});

test('a folder of an earlier version keeps its keys and gets those that it lacks', () => {
  const { issuerKeyPem } = embeddedSecrets(mkdtempSync(join(folder, 'other-')));
  const old = { issuerKeyPem, serviceKey: 'kept' };
  writeFileSync(join(folder, 'secrets.json'), JSON.stringify(old), { mode: 0o644 });
  const secrets = embeddedSecrets(folder);
  expect(secrets).toMatchObject({
    ...old,
    kek: expect.any(String),
    grantSigningKeyPem: expect.any(String),
  });
  expect(JSON.parse(readFileSync(join(folder, 'secrets.json'), 'utf8'))).toEqual(secrets);
  expect(statSync(join(folder, 'secrets.json')).mode & 0o777).toBe(0o600);
});
