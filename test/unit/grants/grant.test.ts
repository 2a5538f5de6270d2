import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import {
  checkSealedHeader,
  type GrantClaims,
  type GrantKeyFinder,
  grantKeyFinder,
  grantLifetimeSec,
  hashOfKeys,
  importRunnerPrivateKeys,
  mintGrant,
  openGrantKeys,
  sealKeys,
  sortedScope,
  verifyGrant,
} from '../../../src/grants/index.ts';
import * as independent from './independent.ts';
import {
  claimsToMint,
  grant,
  keysOf,
  MISSION,
  NOW_MS,
  NOW_SEC,
  runner,
  signer,
  USER,
} from './material.ts';
import { oversized, refusedKeys, refusedTokens } from './forgeries.ts';

const DAY = 86_400;
const nobody: GrantKeyFinder = async () => null;
const unreachable: GrantKeyFinder = async () => Promise.reject(new Error('no key set'));

async function verifyAt(nowMs: number, made: { token: string; keyOf: GrantKeyFinder }) {
  const { token, keyOf } = made;
  return verifyGrant({ token, keyOf, userId: USER, missionId: MISSION, nowMs });
}

async function open(made: Awaited<ReturnType<typeof grant>>, changes: object = {}) {
  const verified = await verifyAt(NOW_MS, made);
  if (!verified.ok) throw new Error(verified.reason);
  const { keysJwe, privateKeys } = made;
  return openGrantKeys({ claims: verified.claims, keysJwe, privateKeys, ...changes });
}

async function check(changes: object = {}) {
  const { keysJwe, claims, recipient } = await grant();
  const { sub: userId, exp: grantExpSec } = claims;
  return checkSealedHeader({
    keysJwe,
    userId,
    missionId: MISSION,
    grantExpSec,
    knownKids: [recipient.kid],
    ...changes,
  });
}

describe('the time of a grant', () => {
  test('it is good a millisecond before its end and not at it', async () => {
    const made = await grant();
    const endMs = made.claims.exp * 1000;
    expect(await verifyAt(endMs - 1, made)).toMatchObject({ ok: true });
    expect(await verifyAt(endMs, made)).toEqual({ ok: false, reason: 'expired' });
  });

  test.each(['nbf', 'iat'] as const)(
    '%s may be 60 s ahead and not a millisecond more',
    async (claim) => {
      const made = await grant({ [claim]: NOW_SEC + 60 });
      expect(await verifyAt(NOW_MS, made)).toMatchObject({ ok: true });
      expect(await verifyAt(NOW_MS - 1, made)).toEqual({ ok: false, reason: 'not-yet-valid' });
    },
  );

  test('30 days are allowed', async () => {
    expect(await verifyAt(NOW_MS, await grant({ exp: NOW_SEC + 30 * DAY }))).toMatchObject({
      ok: true,
    });
  });

  test('a clock that is broken opens nothing', async () => {
    expect(await verifyAt(Number.NaN, await grant())).toMatchObject({ ok: false });
  });

  test('a lifetime is 7 days unless asked for, and between an hour and 30 days', () => {
    const asked = [
      undefined,
      0,
      -1,
      Number.NaN,
      3_600_999,
      2 * 3_600_000,
      Number.POSITIVE_INFINITY,
      31 * DAY * 1000,
    ];
    expect(asked.map(grantLifetimeSec)).toEqual([
      7 * DAY,
      3600,
      3600,
      7 * DAY,
      3600,
      7200,
      30 * DAY,
      30 * DAY,
    ]);
  });
});

describe('who signed', () => {
  test('a real RSA signature is refused before any key is looked for', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const header = { alg: 'RS256', typ: 'mission-grant+jwt', kid: 'any' };
    const token = independent.signRsa(privateKey, header, {});
    const keyOf = vi.fn(nobody);
    expect(await verifyAt(NOW_MS, { token, keyOf })).toEqual({ ok: false, reason: 'malformed' });
    expect(keyOf).not.toHaveBeenCalled();
  });

  test('each of several signing keys is good: rotation without an outage', async () => {
    const [old, current] = [await grant(), await grant()];
    const keyOf = await grantKeyFinder({
      keys: [current.signingKey.publicJwk, old.signingKey.publicJwk],
    });
    expect(await verifyAt(NOW_MS, { token: old.token, keyOf })).toMatchObject({ ok: true });
    expect(await verifyAt(NOW_MS, { token: current.token, keyOf })).toMatchObject({ ok: true });
  });

  test('a key that was taken off the key set is no longer good', async () => {
    const { token } = await grant();
    expect(await verifyAt(NOW_MS, { token, keyOf: nobody })).toEqual({
      ok: false,
      reason: 'bad-signature',
    });
  });

  test('a key set that cannot be fetched is an error of the caller, not a refusal of the grant', async () => {
    const { token } = await grant();
    await expect(verifyAt(NOW_MS, { token, keyOf: unreachable })).rejects.toThrow('no key set');
  });

  test('a claim that is not known is dropped', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const keyOf = await grantKeyFinder({ keys: [publicKey.export({ format: 'jwk' })] });
    const { keysHash } = { keysHash: await hashOfKeys('') };
    const claims = { iss: 'mana-auth', aud: 'mana-ai', ...claimsToMint(), keysHash };
    const header = {
      alg: 'Ed25519',
      typ: 'mission-grant+jwt',
      kid: independent.thumbprint(publicKey),
    };
    const token = independent.signToken(privateKey, header, { ...claims, admin: true });
    expect(await verifyAt(NOW_MS, { token, keyOf })).toEqual({ ok: true, claims });
  });
});

describe('what is minted', () => {
  test.each([
    ['a mission among the records', { records: [`aiMissions:${MISSION}`] }],
    ['records that are not sorted', { records: ['tasks:1', 'notes:1'] }],
    ['more than 30 days', { exp: NOW_SEC + 30 * DAY + 1 }],
    ['a fraction of a second', { exp: NOW_SEC + 7 * DAY + 0.5 }],
    ['an empty user id', { sub: '' }],
  ])('%s is not', async (_name, changes) => {
    const minting = mintGrant({
      signingKey: await signer(),
      claims: claimsToMint(changes),
      keysJwe: '',
    });
    await expect(minting).rejects.toMatchObject({ code: 'CLAIMS_REFUSED' });
  });

  test('members of the claims that the caller may not choose are not taken from it', async () => {
    const claims = {
      ...claimsToMint(),
      iss: 'attacker',
      aud: 'attacker',
      keysHash: 'x',
      admin: true,
    };
    const [, payload = ''] = (
      await mintGrant({ signingKey: await signer(), claims, keysJwe: 'jwe' })
    ).split('.');
    const keysHash = independent.hash('jwe');
    expect(independent.unpart(payload)).toEqual({
      iss: 'mana-auth',
      aud: 'mana-ai',
      ...claimsToMint(),
      keysHash,
    });
  });

  test('a scope is sorted by code units, each record once', () => {
    expect(sortedScope(['b:1', 'a:2', 'a:10', 'a:2', 'a:\u{1f600}', 'a:\uffee'])).toEqual([
      'a:10',
      'a:2',
      'a:\u{1f600}',
      'a:\uffee',
      'b:1',
    ]);
  });
});

describe('what is sealed', () => {
  test.each([
    ['without the key of the mission', ['notes:n-1'], 'KEY_REFUSED'],
    [
      'with the key of another mission',
      [`aiMissions:${MISSION}`, 'aiMissions:mission-2'],
      'NAME_REFUSED',
    ],
  ])('%s is nothing', async (_name, records, code) => {
    const { recipient } = await runner();
    const sealing = {
      recipient,
      userId: USER,
      missionId: MISSION,
      expiresAtSec: NOW_SEC,
      keys: await keysOf(records),
    };
    await expect(sealKeys(sealing)).rejects.toMatchObject({ code });
  });

  test.each([
    ['an empty map of versions', new Map()],
    ['version 0', new Map([[0, new Uint8Array(32).fill(1)]])],
    ['a key of 31 bytes', new Map([[1, new Uint8Array(31).fill(1)]])],
    ['a key that was overwritten', new Map([[1, new Uint8Array(32)]])],
  ])('%s is not', async (_name, versions) => {
    const { recipient } = await runner();
    const keys = new Map([...(await keysOf([`aiMissions:${MISSION}`])), ['notes:n-1', versions]]);
    const sealing = sealKeys({
      recipient,
      userId: USER,
      missionId: MISSION,
      expiresAtSec: NOW_SEC,
      keys,
    });
    await expect(sealing).rejects.toMatchObject({ code: 'KEY_REFUSED' });
  });

  test('keys are overwritten once sealed, and cannot be sealed again', async () => {
    const { recipient } = await runner();
    const keys = await keysOf([`aiMissions:${MISSION}`]);
    const sealing = { recipient, userId: USER, missionId: MISSION, expiresAtSec: NOW_SEC, keys };
    await sealKeys(sealing);
    expect(keys.get(`aiMissions:${MISSION}`)?.get(1)).toEqual(new Uint8Array(32));
    await expect(sealKeys(sealing)).rejects.toMatchObject({ code: 'KEY_REFUSED' });
  });

  test('two seals of the same keys have nothing in common but the header members', async () => {
    const { recipient } = await runner();
    const seal = async () =>
      sealKeys({
        recipient,
        userId: USER,
        missionId: MISSION,
        expiresAtSec: NOW_SEC,
        keys: await keysOf([`aiMissions:${MISSION}`]),
      });
    const [one, two] = [(await seal()).split('.'), (await seal()).split('.')];
    expect(one.filter((part) => two.includes(part))).toEqual([]);
  });
});

describe('what is opened', () => {
  test('nothing without a private key, and that is said', async () => {
    expect(await open(await grant(), { privateKeys: [] })).toEqual({
      ok: false,
      reason: 'not-configured',
    });
  });

  test('old grants with a second key: rotation without an outage', async () => {
    const made = await grant();
    const { privateKeys } = await runner();
    expect(await open(made, { privateKeys: [...privateKeys, ...made.privateKeys] })).toMatchObject({
      ok: true,
    });
    expect(await open(made, { privateKeys })).toEqual({ ok: false, reason: 'wrap-rejected' });
  });

  test('nothing where the keys of two grants of one mission were swapped in the database', async () => {
    const reader = await runner();
    const made = async () => {
      const keys = await keysOf(['notes:note-1', 'tasks:task-1', `aiMissions:${MISSION}`]);
      const { exp } = claimsToMint();
      return sealKeys({
        recipient: reader.recipient,
        userId: USER,
        missionId: MISSION,
        expiresAtSec: exp,
        keys,
      });
    };
    const [own, other] = [await made(), await made()];
    const signingKey = await signer();
    const token = await mintGrant({ signingKey, claims: claimsToMint(), keysJwe: own });
    const keyOf = await grantKeyFinder({ keys: [signingKey.publicJwk] });
    const verified = await verifyAt(NOW_MS, { token, keyOf });
    if (!verified.ok) throw new Error(verified.reason);
    const { claims } = verified;
    const { privateKeys } = reader;
    expect(await openGrantKeys({ claims, keysJwe: own, privateKeys })).toMatchObject({ ok: true });
    expect(await openGrantKeys({ claims, keysJwe: other, privateKeys })).toEqual({
      ok: false,
      reason: 'wrap-rejected',
    });
  });

  test('keys are not extractable', async () => {
    const opened = await open(await grant());
    const keys = opened.ok
      ? Array.from(opened.keys.values(), (versions) => Array.from(versions.values())).flat()
      : [];
    expect(keys).toHaveLength(3);
    for (const key of keys) await expect(crypto.subtle.exportKey('raw', key)).rejects.toThrow();
  });
});

describe('keys that a device sealed (/sealed)', () => {
  test('are taken for their own grant alone', async () => {
    expect(await check()).toEqual({ ok: true });
    expect(await check({ userId: 'user-2' })).toMatchObject({
      ok: false,
      field: 'keys',
      message: /another person/,
    });
    expect(await check({ missionId: 'mission-2' })).toMatchObject({
      ok: false,
      message: /another mission/,
    });
    expect(await check({ knownKids: [] })).toMatchObject({
      ok: false,
      message: /runner does not have/,
    });
    expect(await check({ grantExpSec: NOW_SEC + 8 * DAY })).toMatchObject({
      ok: false,
      message: /before the grant/,
    });
  });

  test.each([undefined, null, 1, {}, '', 'a.b.c.d.e', 'x'.repeat(10_000_000)])(
    'are refused where they are no JWE',
    async (keysJwe) => {
      expect(await check({ keysJwe })).toMatchObject({ ok: false, message: /agreed form/ });
    },
  );

  const { claims, accepted, vectors } = refusedKeys();
  const knownKids = [(independent.unpart(accepted.split('.')[0] ?? '') as { kid: string }).kid];
  const wanted = {
    userId: claims.sub,
    missionId: claims.mission,
    grantExpSec: claims.exp,
    knownKids,
  };
  /** What only one who opens the keys can see. */
  const INSIDE =
    /scope|mission's own key|instead|^a list|^null|^no JSON|versions|version|^a key|hash|another key$/;

  test.each(vectors.filter(({ name }) => !INSIDE.test(name)))(
    'are refused for their header: $name',
    ({ keysJwe }) => {
      expect(checkSealedHeader({ keysJwe, ...wanted }).ok).toBe(false);
    },
  );

  test('the vectors stand beside one that is taken', () => {
    expect(checkSealedHeader({ keysJwe: accepted, ...wanted })).toEqual({ ok: true });
  });
});

test('the package entry is the module', async () => {
  expect(await import('mana-edge/grants')).toBe(await import('../../../src/grants/index.ts'));
});

describe('what is huge is refused unread', () => {
  const huge = 'A'.repeat(10_000_000);

  test.each([
    ['a token', `${huge}.${huge}.${huge}`],
    ['a token of dots', '.'.repeat(10_000_000)],
  ])('%s', async (_name, token) => {
    const keyOf = vi.fn(nobody);
    expect(await verifyAt(NOW_MS, { token, keyOf })).toEqual({ ok: false, reason: 'malformed' });
    expect(keyOf).not.toHaveBeenCalled();
  });

  test('a token of more than 512 KiB and keys of more than 192 KiB, even where all else is right', async () => {
    const { userId, missionId, nowSec, keySet } = refusedTokens();
    const { claims, runnerPrivateKey } = refusedKeys();
    const { token, keysJwe } = oversized();
    const keyOf = await grantKeyFinder(keySet);
    const verified = await verifyGrant({ token, keyOf, userId, missionId, nowMs: nowSec * 1000 });
    expect(verified).toEqual({ ok: false, reason: 'malformed' });
    const opener = independent.privateKeyOf('x25519', Buffer.from(runnerPrivateKey, 'base64url'));
    expect(independent.openJwe(opener, keysJwe).plaintext).toContain('"notes:n-1"');
    const privateKeys = await importRunnerPrivateKeys(
      opener.export({ type: 'pkcs8', format: 'pem' }) as string,
    );
    const signed = { ...claims, keysHash: independent.hash(keysJwe) } as GrantClaims;
    expect(await openGrantKeys({ claims: signed, keysJwe, privateKeys })).toEqual({
      ok: false,
      reason: 'wrap-rejected',
    });
  });

  test('keys', async () => {
    const { claims, privateKeys } = await grant();
    const all = {
      iss: 'mana-auth',
      aud: 'mana-ai',
      ...claims,
      keysHash: await hashOfKeys(huge),
    } as const;
    expect(await openGrantKeys({ claims: all, keysJwe: huge, privateKeys })).toEqual({
      ok: false,
      reason: 'wrap-rejected',
    });
  });
});
