import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { importKekRing } from '../../../src/mana-auth/kek-ring.ts';

const bytes = (length: number): Uint8Array<ArrayBuffer> => Uint8Array.from(randomBytes(length));
const [first, second] = [bytes(32), bytes(32)];
const masterKey = bytes(32);
const REFUSED = { ok: false, reason: 'tampered' };

const idOf = (kek: Uint8Array): string =>
  createHash('sha256').update(kek).digest('hex').slice(0, 16);
const aad = (kekId: string, userId: string): Buffer =>
  Buffer.from(`mana/vault/v2\0${kekId}\0${userId}`);

describe('a wrapped master key', () => {
  test('is what the design says: IV, AES-256-GCM ciphertext and tag, bound to key and user (opened by another implementation)', async () => {
    const ring = await importKekRing([first]);
    expect(ring.currentId).toBe(idOf(first));
    const wrapped = Buffer.from(await ring.wrap(masterKey, 'ü-1'), 'base64');
    const decipher = createDecipheriv('aes-256-gcm', first, wrapped.subarray(0, 12));
    decipher.setAAD(aad(idOf(first), 'ü-1')).setAuthTag(wrapped.subarray(-16));
    expect(Buffer.concat([decipher.update(wrapped.subarray(12, -16)), decipher.final()])).toEqual(
      Buffer.from(masterKey),
    );
  });

  test('opens what another implementation wrapped', async () => {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', first, iv).setAAD(aad(idOf(first), 'u'));
    const text = Buffer.concat([
      iv,
      cipher.update(masterKey),
      cipher.final(),
      cipher.getAuthTag(),
    ]).toString('base64');
    const ring = await importKekRing([first]);
    expect(await ring.unwrap({ text, kekId: idOf(first) }, 'u')).toEqual({ ok: true, masterKey });
  });

  test('an old key opens what it wrapped, the first wraps what is new; a key that is gone opens nothing', async () => {
    const before = await importKekRing([first]);
    const old = { text: await before.wrap(masterKey, 'u'), kekId: before.currentId };
    const ring = await importKekRing([second, first]);
    expect(ring.currentId).toBe(idOf(second));
    expect(await ring.unwrap(old, 'u')).toEqual({ ok: true, masterKey });
    const fresh = { text: await ring.wrap(masterKey, 'u'), kekId: ring.currentId };
    expect(await before.unwrap(fresh, 'u')).toEqual({ ok: false, reason: 'unknown-kek' });
    // The name of a key is bound too: calling it another's does not open it.
    expect(await ring.unwrap({ ...fresh, kekId: old.kekId }, 'u')).toEqual(REFUSED);
  });

  test('of one user opens for no other', async () => {
    const ring = await importKekRing([first]);
    const wrapped = { text: await ring.wrap(masterKey, 'user-1'), kekId: ring.currentId };
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1, unit: 'grapheme' }), async (other) => {
        fc.pre(other !== 'user-1');
        expect(await ring.unwrap(wrapped, other)).toEqual(REFUSED);
      }),
    );
  });

  test('opens with no bit changed, none cut off and none added', async () => {
    const ring = await importKekRing([first]);
    const whole = Buffer.from(await ring.wrap(masterKey, 'u'), 'base64');
    const refused = async (text: string): Promise<void> => {
      expect(await ring.unwrap({ text, kekId: ring.currentId }, 'u')).toEqual(REFUSED);
    };
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const changed = Buffer.from(whole);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await refused(changed.toString('base64'));
    }
    for (const text of [
      '',
      'not base64',
      whole.subarray(0, -1).toString('base64'),
      Buffer.concat([whole, Buffer.alloc(1)]).toString('base64'),
      `${whole.toString('base64')}\n`,
    ]) {
      await refused(text);
    }
  });

  test('two wraps of the same key share nothing', async () => {
    const ring = await importKekRing([first]);
    expect(await ring.wrap(masterKey, 'u')).not.toBe(await ring.wrap(masterKey, 'u'));
  });
});
