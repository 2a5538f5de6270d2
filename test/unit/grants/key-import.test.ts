import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  deriveRecordKeyBytes,
  grantKeyFinder,
  importGrantVerifyKey,
  importLegacyMasterKey,
  importMasterKey,
  importRecordKey,
  importRunnerPrivateKeys,
  importRunnerPublicKey,
  importSigningKeys,
  verifyGrant,
} from '../../../src/grants/index.ts';
import * as edwards from './edwards.ts';
import * as independent from './independent.ts';
import { bytes, grant, MISSION, NOTE, NOW_MS, pemPair, USER } from './material.ts';

describe('secrets are imported once and never leave', () => {
  test.each([
    ['a master key', importMasterKey],
    ['a master key for the older format', importLegacyMasterKey],
    ['a record key', importRecordKey],
  ])('%s', async (_name, importKey) => {
    const secret = bytes(1);
    const key = await importKey(secret);
    expect(secret).toEqual(new Uint8Array(32));
    await expect(crypto.subtle.exportKey('raw', key)).rejects.toThrow();
    await expect(importKey(secret)).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    await expect(importKey(bytes(1, 31))).rejects.toMatchObject({ code: 'KEY_REFUSED' });
  });

  test('private keys of the runner and of mana-auth are not extractable', async () => {
    const [opener] = await importRunnerPrivateKeys(pemPair('x25519').privatePem);
    const [signing] = await importSigningKeys(pemPair('ed25519').privatePem);
    expect([opener?.key.extractable, signing?.privateKey.extractable]).toEqual([false, false]);
    expect([opener?.key.usages, signing?.privateKey.usages]).toEqual([['deriveBits'], ['sign']]);
  });

  test('each key is good for one thing', async () => {
    const usages = [
      await importMasterKey(bytes(1)),
      await importRecordKey(bytes(1)),
      await importLegacyMasterKey(bytes(1)),
    ];
    expect(usages.map((key) => key.usages)).toEqual([
      ['deriveBits'],
      ['encrypt', 'decrypt'],
      ['decrypt'],
    ]);
  });
});

describe('no key is derived for a name that is none', () => {
  test.each([
    { tableName: 'no/tes', recordId: '1' },
    { tableName: 'notes', recordId: '' },
    { tableName: 'notes', recordId: 'a\u0000b' },
    { tableName: 'notes', recordId: '\ud800' },
    { tableName: 'notes\u0000', recordId: '1' },
  ])('$tableName:$recordId', async (ref) => {
    const key = await importMasterKey(bytes(1));
    await expect(deriveRecordKeyBytes(key, ref, 1)).rejects.toMatchObject({ code: 'NAME_REFUSED' });
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
    'nor for version %s',
    async (version) => {
      const key = await importMasterKey(bytes(1));
      await expect(deriveRecordKeyBytes(key, NOTE, version)).rejects.toMatchObject({
        code: 'KEY_REFUSED',
      });
    },
  );
});

describe('kids are RFC 7638 thumbprints', () => {
  test('of the runner: public and private half agree', async () => {
    const { privatePem, publicPem, publicKey } = pemPair('x25519');
    const wanted = independent.thumbprint(publicKey);
    const fromPem = await importRunnerPublicKey(publicPem);
    expect(fromPem.kid).toBe(wanted);
    expect(fromPem.jwk).toEqual(publicKey.export({ format: 'jwk' }));
    expect((await importRunnerPublicKey({ ...fromPem.jwk, kid: 'ignored' })).kid).toBe(wanted);
    expect((await importRunnerPrivateKeys(privatePem)).map(({ kid }) => kid)).toEqual([wanted]);
  });

  test('of signing keys, in the order of the PEM text', async () => {
    const pairs = [pemPair('ed25519'), pemPair('ed25519')];
    const keys = await importSigningKeys(pairs.map(({ privatePem }) => privatePem).join('\n'));
    expect(keys.map(({ kid }) => kid)).toEqual(
      pairs.map(({ publicKey }) => independent.thumbprint(publicKey)),
    );
    expect(keys[0]?.publicJwk).toEqual({
      ...pairs[0]?.publicKey.export({ format: 'jwk' }),
      kid: keys[0]?.kid,
      alg: 'Ed25519',
      use: 'sig',
    });
  });
});

describe('keys of another kind are refused', () => {
  test.each([
    [
      'an Ed25519 key for the runner',
      async () => importRunnerPublicKey(pemPair('ed25519').publicPem),
    ],
    [
      'a private JWK for the runner',
      async () =>
        importRunnerPublicKey(generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' })),
    ],
    [
      'an Ed25519 JWK for the runner',
      async () => importRunnerPublicKey(pemPair('ed25519').publicKey.export({ format: 'jwk' })),
    ],
    ['an X25519 key that signs', async () => importSigningKeys(pemPair('x25519').privatePem)],
    [
      'an Ed25519 key that opens',
      async () => importRunnerPrivateKeys(pemPair('ed25519').privatePem),
    ],
    ['an empty PEM', async () => importSigningKeys('')],
    ['nothing as a key of the key set', async () => importGrantVerifyKey(null)],
    [
      'an X25519 key of the key set',
      async () => importGrantVerifyKey(pemPair('x25519').publicKey.export({ format: 'jwk' })),
    ],
    [
      'a private key of the key set',
      async () =>
        importGrantVerifyKey(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })),
    ],
    [
      'a key for user tokens',
      async () =>
        importGrantVerifyKey({
          ...pemPair('ed25519').publicKey.export({ format: 'jwk' }),
          alg: 'EdDSA',
        }),
    ],
    [
      'a key for encryption',
      async () =>
        importGrantVerifyKey({
          ...pemPair('ed25519').publicKey.export({ format: 'jwk' }),
          use: 'enc',
        }),
    ],
    [
      'a key under another kid',
      async () =>
        importGrantVerifyKey({
          ...pemPair('ed25519').publicKey.export({ format: 'jwk' }),
          kid: 'x',
        }),
    ],
  ])('%s', async (_name, importing) => {
    await expect(importing()).rejects.toMatchObject({ name: 'GrantsError', code: 'KEY_REFUSED' });
  });

  test('the rest of a key set is good all the same', async () => {
    const { publicKey } = pemPair('ed25519');
    const good = publicKey.export({ format: 'jwk' });
    const keyOf = await grantKeyFinder({
      keys: [null, { kty: 'RSA' }, good, { ...good, x: 'AQ' }],
    });
    expect(await keyOf(independent.thumbprint(publicKey))).not.toBeNull();
    expect(await keyOf('toString')).toBeNull();
  });

  test.each([null, 1, 'keys', {}, { keys: {} }])(
    'a key set that is none has no keys',
    async (keySet) => {
      expect(await (await grantKeyFinder(keySet))('any')).toBeNull();
    },
  );

  test('a key that cannot be looked at is a mistake of the caller', async () => {
    const { token } = await grant();
    const raw = bytes(9);
    const keys = await Promise.all([
      crypto.subtle.importKey('raw', raw, { name: 'Ed25519' }, false, ['verify']),
      crypto.subtle.importKey('raw', raw, { name: 'X25519' }, true, []),
    ]);
    for (const key of keys) {
      const verifying = verifyGrant({
        token,
        keyOf: async () => key,
        userId: USER,
        missionId: MISSION,
        nowMs: NOW_MS,
      });
      await expect(verifying).rejects.toThrow(TypeError);
    }
  });
});

describe('Ed25519 keys of small order', () => {
  test('there are eight points, and both encodings of those that have two', () => {
    expect(edwards.smallOrderEncodings()).toHaveLength(14);
  });

  test.each(edwards.smallOrderEncodings())('%s is refused at import', async (hex) => {
    const x = Buffer.from(hex, 'hex').toString('base64url');
    await expect(importGrantVerifyKey({ kty: 'OKP', crv: 'Ed25519', x })).rejects.toMatchObject({
      code: 'KEY_REFUSED',
    });
  });

  test('given by another way than the import, such a key is refused too', async () => {
    const neutral = Uint8Array.from(Buffer.from(`01${'00'.repeat(31)}`, 'hex'));
    const key = await crypto.subtle.importKey('raw', neutral, { name: 'Ed25519' }, true, [
      'verify',
    ]);
    const header = { alg: 'Ed25519', typ: 'mission-grant+jwt', kid: 'k' };
    // R the neutral element, S = 0: with this key the signature of any text, where nobody looks at the key (test/worker/grants.test.ts).
    const forged = Buffer.concat([neutral, Buffer.alloc(32)]).toString('base64url');
    const token = `${independent.part(header)}.${independent.part({})}.${forged}`;
    const verifying = verifyGrant({
      token,
      keyOf: async () => key,
      userId: USER,
      missionId: MISSION,
      nowMs: NOW_MS,
    });
    expect(await verifying).toEqual({ ok: false, reason: 'bad-signature' });
  });
});

describe('X25519 keys of small order', () => {
  const points = [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    `ec${'ff'.repeat(30)}7f`,
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    `ed${'ff'.repeat(30)}7f`,
    `ee${'ff'.repeat(30)}7f`,
  ];

  test.each(points)(
    '%s is refused as a recipient, and OpenSSL agrees that its secrets are zero',
    async (hex) => {
      const jwk = { kty: 'OKP', crv: 'X25519', x: Buffer.from(hex, 'hex').toString('base64url') };
      await expect(importRunnerPublicKey(jwk)).rejects.toMatchObject({ code: 'KEY_REFUSED' });
      const { privateKey } = generateKeyPairSync('x25519');
      expect(() =>
        diffieHellman({ privateKey, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) }),
      ).toThrow();
    },
  );

  test('every key that OpenSSL makes is fine', async () => {
    for (let count = 0; count < 50; count += 1) {
      const { privatePem } = pemPair('x25519');
      const { kid, jwk } = await importRunnerPublicKey(
        createPublicKey(createPrivateKey(privatePem)).export({ format: 'jwk' }),
      );
      expect(jwk.kty + kid).toHaveLength(46);
    }
  });
});
