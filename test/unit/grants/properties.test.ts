import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBase64, decodeBase64url, encodeBase64url } from '../../../src/grants/bytes.ts';
import {
  decryptField,
  deriveRecordKeyBytes,
  deriveRecordKeys,
  encryptField,
  encryptRecord,
  formatRecordRef,
  grantKeyFinder,
  hashOfKeys,
  isRecordName,
  isTableName,
  mintGrant,
  openGrantKeys,
  openRecord,
  parseRecordRef,
  rekeyRecord,
  sealKeys,
  sortedScope,
  verifyGrant,
} from '../../../src/grants/index.ts';
import * as independent from './independent.ts';
import {
  bytes,
  claimsToMint,
  keysOf,
  masterKey,
  MISSION,
  NOW_MS,
  runner,
  signer,
  USER,
} from './material.ts';

const tables = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,63}$/);
const ids = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter(isRecordName);
const refs = fc.record({ tableName: tables, recordId: ids });
const paths = fc.oneof(ids, fc.constantFrom('title', 'iterations/a/summary', 'checkpoint/a/0'));
const versions = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
const values = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
const MASTER = bytes(1);
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const noKey = async (): Promise<null> => null;

/** The text with one character put for another. */
function changed(text: string, at: number, by: number): string {
  const index = at % text.length;
  const old = ALPHABET.indexOf(text[index] ?? '');
  const other = ALPHABET[(old + 1 + (by % (ALPHABET.length - 1))) % ALPHABET.length];
  return text.slice(0, index) + (other === text[index] ? '!' : other) + text.slice(index + 1);
}

describe('text forms', () => {
  test('base64url is read in the one form that it is written in', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.base64String(), fc.stringMatching(/^[A-Za-z0-9_+/=\n-]*$/)),
        (text) => {
          const canonical = Buffer.from(text, 'base64url').toString('base64url') === text;
          expect(decodeBase64url(text) !== null).toBe(canonical);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('and back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (data) => {
        expect(decodeBase64url(encodeBase64url(data))).toEqual(data);
        expect(decodeBase64(Buffer.from(data).toString('base64'))).toEqual(data);
      }),
    );
  });

  test('a ref is read as it was written, whatever its id', () => {
    fc.assert(
      fc.property(refs, (ref) => {
        expect(parseRecordRef(formatRecordRef(ref))).toEqual(ref);
      }),
    );
  });

  test('what is read as a ref is made of names', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const ref = parseRecordRef(text);
        if (ref === null) return;
        expect(isTableName(ref.tableName) && isRecordName(ref.recordId)).toBe(true);
        expect(formatRecordRef(ref)).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  test('a scope does not depend on order or repetition', () => {
    fc.assert(
      fc.property(fc.array(refs.map(formatRecordRef)), (records) => {
        expect(sortedScope([...records, ...records.toReversed()])).toEqual(sortedScope(records));
      }),
    );
  });
});

describe('keys and fields', () => {
  test("record keys are those of Node's HKDF", async () => {
    const master = await masterKey();
    await fc.assert(
      fc.asyncProperty(refs, versions, async (ref, version) => {
        const derived = await deriveRecordKeyBytes(master, ref, version);
        expect(Buffer.from(derived)).toEqual(
          independent.recordKey(MASTER, ref.tableName, ref.recordId, version),
        );
      }),
    );
  });

  test('two records, or two versions of one, never share a key', async () => {
    const master = await masterKey();
    await fc.assert(
      fc.asyncProperty(refs, refs, versions, versions, async (one, other, first, second) => {
        fc.pre(formatRecordRef(one) !== formatRecordRef(other) || first !== second);
        const [a, b] = [
          await deriveRecordKeyBytes(master, one, first),
          await deriveRecordKeyBytes(master, other, second),
        ];
        expect(a).not.toEqual(b);
      }),
    );
  });

  test('any value comes back, and Node reads it and writes what we read', async () => {
    const master = await masterKey();
    await fc.assert(
      fc.asyncProperty(refs, paths, versions, values, async (ref, path, version, value) => {
        const keys = await deriveRecordKeys(master, ref, [version]);
        const key = independent.recordKey(MASTER, ref.tableName, ref.recordId, version);
        const place = { table: ref.tableName, recordId: ref.recordId, path };
        const text = await encryptField({ keys, version, ref, path, value });
        expect(await decryptField({ keys, ref, path, text })).toEqual({ ok: true, value });
        expect(independent.openField(key, place, text)).toEqual(value);
        const theirs = independent.sealField(key, version, place, value);
        expect(await decryptField({ keys, ref, path, text: theirs })).toEqual({ ok: true, value });
      }),
    );
  });

  test('one character changed, anywhere, and nothing opens', async () => {
    const ref = { tableName: 'notes', recordId: 'n' };
    const keys = await deriveRecordKeys(await masterKey(), ref, [1, 2]);
    const text = await encryptField({ keys, version: 1, ref, path: 'title', value: 'some text' });
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), async (at, by) => {
        expect(
          (await decryptField({ keys, ref, path: 'title', text: changed(text, at, by) })).ok,
        ).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test('no text cut short opens', async () => {
    const ref = { tableName: 'notes', recordId: 'n' };
    const keys = await deriveRecordKeys(await masterKey(), ref, [1]);
    const text = await encryptField({ keys, version: 1, ref, path: 'title', value: 'some text' });
    for (let length = 0; length < text.length; length += 1)
      expect(
        (await decryptField({ keys, ref, path: 'title', text: text.slice(0, length) })).ok,
      ).toBe(false);
  });

  test('no IV is used twice', async () => {
    const ref = { tableName: 'notes', recordId: 'n' };
    const keys = await deriveRecordKeys(await masterKey(), ref, [1]);
    const texts = await Promise.all(
      Array.from({ length: 1000 }, async () =>
        encryptField({ keys, version: 1, ref, path: 'title', value: '' }),
      ),
    );
    expect(new Set(texts.map((text) => text.split('.')[0])).size).toBe(1000);
  });

  test('a record that is encrypted and re-keyed opens to what it was', async () => {
    const ref = { tableName: 'notes', recordId: 'n' };
    const keys = await deriveRecordKeys(await masterKey(), ref, [1, 2]);
    const records = fc.dictionary(
      ids.filter((name) => !name.includes('/')),
      values,
    );
    await fc.assert(
      fc.asyncProperty(records, async (record) => {
        // What claims to be ciphertext and is not encrypted is refused; that is another test.
        fc.pre(
          Object.values(record).every(
            (value) => typeof value !== 'string' || !value.startsWith('enc:'),
          ),
        );
        const fields = Object.keys(record).filter((_, at) => at % 2 === 0);
        const stored = await encryptRecord({ keys, version: 1, ref, record, fields });
        const rekeyed = await rekeyRecord({ keys, version: 2, ref, record: stored });
        expect(await openRecord({ keys, ref, record: stored })).toEqual({ ok: true, record });
        expect(await openRecord({ keys, ref, record: rekeyed.ok ? rekeyed.record : {} })).toEqual({
          ok: true,
          record,
        });
      }),
    );
  });
});

describe('grants', () => {
  const scopes = fc
    .array(refs.filter(({ tableName }) => tableName !== 'aiMissions').map(formatRecordRef), {
      maxLength: 5,
    })
    .map(sortedScope);

  test('of any scope are minted, verified and opened; each key is the one that a device derives', async () => {
    const [signingKey, reader] = [await signer(), await runner()];
    const keyOf = await grantKeyFinder({ keys: [signingKey.publicJwk] });
    await fc.assert(
      fc.asyncProperty(scopes, ids, ids, async (records, userId, missionId) => {
        const claims = claimsToMint({ records, sub: userId, mission: missionId });
        const keys = await keysOf([...records, `aiMissions:${missionId}`], [1, 2]);
        const sealing = {
          recipient: reader.recipient,
          userId,
          missionId,
          expiresAtSec: claims.exp,
          keys,
        };
        const keysJwe = await sealKeys(sealing);
        const token = await mintGrant({ signingKey, claims, keysJwe });
        const verified = await verifyGrant({ token, keyOf, userId, missionId, nowMs: NOW_MS });
        if (!verified.ok) throw new Error(verified.reason);
        const opened = await openGrantKeys({
          claims: verified.claims,
          keysJwe,
          privateKeys: reader.privateKeys,
        });
        if (!opened.ok) throw new Error(opened.reason);
        for (const [record, recordKeys] of opened.keys) {
          const ref = parseRecordRef(record) ?? { tableName: '', recordId: '' };
          const deviceKey = independent.recordKey(MASTER, ref.tableName, ref.recordId, 2);
          const place = { table: ref.tableName, recordId: ref.recordId, path: 'title' };
          const text = independent.sealField(deviceKey, 2, place, record);
          expect(await decryptField({ keys: recordKeys, ref, path: 'title', text })).toEqual({
            ok: true,
            value: record,
          });
        }
      }),
      { numRuns: 40 },
    );
  });

  test('one character changed in the token or in the keys, and nothing opens', async () => {
    const [signingKey, reader] = [await signer(), await runner()];
    const keyOf = await grantKeyFinder({ keys: [signingKey.publicJwk] });
    const claims = claimsToMint();
    const keys = await keysOf([...claims.records, `aiMissions:${MISSION}`]);
    const sealing = {
      recipient: reader.recipient,
      userId: USER,
      missionId: MISSION,
      expiresAtSec: claims.exp,
      keys,
    };
    const keysJwe = await sealKeys(sealing);
    const token = await mintGrant({ signingKey, claims, keysJwe });
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), async (at, by) => {
        const altered = await verifyGrant({
          token: changed(token, at, by),
          keyOf,
          userId: USER,
          missionId: MISSION,
          nowMs: NOW_MS,
        });
        expect(altered.ok).toBe(false);
        const otherKeys = changed(keysJwe, at, by);
        // As if mana-auth had signed for the altered text: the JWE itself must not open.
        const signed = {
          iss: 'mana-auth',
          aud: 'mana-ai',
          ...claims,
          keysHash: await hashOfKeys(otherKeys),
        } as const;
        expect(
          (
            await openGrantKeys({
              claims: signed,
              keysJwe: otherKeys,
              privateKeys: reader.privateKeys,
            })
          ).ok,
        ).toBe(false);
      }),
      { numRuns: 400 },
    );
  });

  test('are refused, not thrown at, whatever the text', async () => {
    const [{ privateKeys }, claims] = [await runner(), claimsToMint()];
    const signed = {
      iss: 'mana-auth',
      aud: 'mana-ai',
      ...claims,
      keysHash: await hashOfKeys(''),
    } as const;
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(
          fc.oneof(
            fc.base64String(),
            fc.json().map((text) => Buffer.from(text).toString('base64url')),
          ),
          { maxLength: 6 },
        )
        .map((parts) => parts.join('.')),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        expect(
          (
            await verifyGrant({
              token: text,
              keyOf: noKey,
              userId: USER,
              missionId: MISSION,
              nowMs: NOW_MS,
            })
          ).ok,
        ).toBe(false);
        expect((await openGrantKeys({ claims: signed, keysJwe: text, privateKeys })).ok).toBe(
          false,
        );
      }),
      { numRuns: 300 },
    );
  });
});
