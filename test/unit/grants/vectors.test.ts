import { createPublicKey } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { refusedKeys, refusedTokens } from './forgeries.ts';
import * as independent from './independent.ts';
import * as builder from './vector-builder.ts';

const FILES: readonly [string, () => unknown][] = [
  ['names', builder.names],
  ['record-keys', builder.recordKeys],
  ['fields', builder.fields],
  ['iterations', builder.iterations],
  ['legacy', builder.legacy],
  ['grants', builder.grants],
  ['refused-tokens', refusedTokens],
  ['refused-keys', refusedKeys],
];

function bytesOf(text: string): Buffer<ArrayBuffer> {
  return Buffer.from(text, 'base64url');
}

test.each(FILES)(
  '%s.json is what the module makes of the fixed keys (vitest -u writes it anew)',
  async (name, build) => {
    const file = fileURLToPath(new URL(`../../vectors/${name}.json`, import.meta.url).href);
    await expect(`${JSON.stringify(await build(), null, 2)}\n`).toMatchFileSnapshot(file);
  },
);

describe("Node's own crypto agrees", () => {
  test('fields', async () => {
    const { vectors, masterKey } = await builder.fields();
    for (const { table, recordId, version, path, iv, value, text } of vectors) {
      const key = independent.recordKey(bytesOf(masterKey), table, recordId, version);
      expect(independent.openField(key, { table, recordId, path }, text)).toEqual(value);
      expect(
        independent.sealField(key, version, { table, recordId, path }, value, bytesOf(iv)),
      ).toBe(text);
    }
  });

  test('sealed keys', async () => {
    const { keysJwe, runnerPrivateKey, runnerKid, plaintext, claims, ephemeralKey } =
      await builder.grants();
    const opened = independent.openJwe(
      independent.privateKeyOf('x25519', bytesOf(runnerPrivateKey)),
      keysJwe,
    );
    const ephemeral = createPublicKey(independent.privateKeyOf('x25519', bytesOf(ephemeralKey)));
    expect(opened.plaintext).toBe(JSON.stringify(plaintext));
    expect(opened.header).toEqual({
      alg: 'ECDH-ES+A256KW',
      enc: 'A256GCM',
      epk: ephemeral.export({ format: 'jwk' }),
      kid: runnerKid,
      typ: 'mission-keys+jwe',
      sub: claims.sub,
      mission: claims.mission,
      exp: claims.exp,
    });
  });

  test('the token', async () => {
    const { token, keysJwe, claims, signingPrivateKey } = await builder.grants();
    const signing = independent.privateKeyOf('ed25519', bytesOf(signingPrivateKey));
    const publicKey = createPublicKey(signing);
    expect(independent.openToken(publicKey, token)).toEqual({
      header: { alg: 'Ed25519', typ: 'mission-grant+jwt', kid: independent.thumbprint(publicKey) },
      payload: { iss: 'mana-auth', aud: 'mana-ai', ...claims, keysHash: independent.hash(keysJwe) },
    });
  });
});
