import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { GENERATED } from '../../../scripts/generated/variable-texts.ts';
import { parseManaAiConfig } from '../../../src/config/mana-ai.ts';
import { parseManaAuthConfig } from '../../../src/config/mana-auth.ts';
import { parseVariables } from '../../../src/config/parse.ts';
import { withSecretsFromFiles } from '../../../src/config/secret-files.ts';
import {
  type Reader,
  SECRET_NAMES,
  variable,
  VARIABLE_NAMES,
} from '../../../src/config/variables.ts';
import { readProjectFile } from '../house/source-files.ts';

const READERS: readonly Reader[] = ['mana-ai', 'mana-auth', 'commands', 'mana-edge', 'compose'];

describe('the table', () => {
  test.each(VARIABLE_NAMES)('%s says what it does, who reads it and what happens unset', (name) => {
    const { meaning, readers, default: fallback, unset } = variable(name);
    expect(meaning).toMatch(/\.$/);
    expect(readers.length).toBeGreaterThan(0);
    // Of a default and a sentence for its absence there is exactly one.
    expect((fallback === null) === (unset !== undefined)).toBe(true);
  });

  test.each(VARIABLE_NAMES)('the default of %s is taken by its own schema', (name) => {
    const { schema, default: fallback } = variable(name);
    if (fallback !== null) expect(schema.safeParse(fallback).success).toBe(true);
  });

  test.each(Object.keys(GENERATED))('%s holds what `npm run variables` writes', (path) => {
    const present = readProjectFile(path);
    expect(GENERATED[path]?.(present)).toBe(present);
  });

  test.each(VARIABLE_NAMES)('%s has no control over another by its name with _FILE', (name) => {
    expect(VARIABLE_NAMES).not.toContain(`${name}_FILE`);
  });
});

const SHARED = VARIABLE_NAMES.filter((name) =>
  ['mana-ai', 'mana-auth'].every((worker) => variable(name).readers.includes(worker as Reader)),
);
const ODD_TEXTS = [
  'postgres://u:p@h/d',
  'mysql://h/d',
  'postgres:///d',
  'postgres://u@h/d?sslmode=require',
  'https://keys.example/x',
  'https://u:p@keys.example/x',
  'https://keys.example/x?y=1',
  ' spaced',
  'two\nlines',
  'schlüssel',
  'a-service-key-of-20-ch',
  generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'pem' }).toString(),
];

describe('both Workers', () => {
  test('share some variables', () => expect(SHARED.length).toBeGreaterThan(4));

  test.each(SHARED)('take and refuse the same values of %s, with the same words', (name) => {
    for (const text of ODD_TEXTS) {
      const [runner, grants] = [parseManaAiConfig, parseManaAuthConfig].map((parse) => {
        const parsed = parse({ [name]: text });
        return parsed.ok ? 'taken' : `${parsed.variable} ${parsed.message}`;
      });
      expect([text, runner]).toEqual([text, grants]);
    }
  });
});

test('no message of a refusal holds the value that it refuses', () => {
  const secret = 'hunter2-and-more\u0007';
  for (const name of VARIABLE_NAMES) {
    const parsed = parseVariables({ [name]: secret }, READERS);
    expect(parsed).toMatchObject({ ok: false, variable: name });
    if (!parsed.ok) expect(parsed.message).not.toContain('hunter2');
  }
});

describe('a secret in a file', () => {
  const files: Record<string, string> = { '/run/kek': 'the secret\n', '/run/empty': '\n' };
  const readText = (path: string): string => {
    const text = files[path];
    if (text === undefined) throw new Error('ENOENT');
    return text;
  };

  test.each(SECRET_NAMES)('%s is read from the file that %s_FILE names', (name) => {
    expect(withSecretsFromFiles({ [`${name}_FILE`]: '/run/kek', OTHER: 'o' }, readText)).toEqual({
      ok: true,
      environment: { [name]: 'the secret', OTHER: 'o' },
    });
  });

  test('every key, token and password that is read here is one', () => {
    const secretByName = VARIABLE_NAMES.filter((name) =>
      /PRIVATE_KEY|SIGNING_KEY|ISSUER_KEY|SERVICE_KEY|API_KEY|KEK|TOKEN$|PASSWORD|^DATABASE_URL$/.test(
        name,
      ),
    );
    expect(secretByName.filter((name) => !variable(name).secret)).toEqual([]);
  });

  test.each([
    ['a file that cannot be read', { MANA_AUTH_KEK_FILE: '/run/none' }],
    ['an empty file', { MANA_AUTH_KEK_FILE: '/run/empty' }],
    ['the secret itself beside it', { MANA_AUTH_KEK_FILE: '/run/kek', MANA_AUTH_KEK: 'x' }],
  ])('%s is refused and named', (_what, environment) => {
    const read = withSecretsFromFiles(environment, readText);
    expect(read).toMatchObject({ ok: false, variable: 'MANA_AUTH_KEK_FILE' });
    expect(JSON.stringify(read)).not.toContain('the secret');
  });

  test('an empty name of a file is unset', () => {
    const environment = { MANA_AUTH_KEK_FILE: '', MANA_AUTH_KEK: 'x' };
    expect(withSecretsFromFiles(environment, readText)).toEqual({ ok: true, environment });
  });
});
