import { expect, it } from 'vitest';
import { verifyGrant } from '../../src/grants/index.ts';
import { CHECKS } from '../vectors/checks.ts';

it.each(CHECKS)('inside workerd, published vectors: $name', async ({ run }) => {
  const { found, wanted } = await run();
  expect(found).toEqual(wanted);
});

/** With it, R the neutral element and S = 0 are the signature of any text. */
const NEUTRAL = Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? 1 : 0));

async function neutralKey(): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', NEUTRAL, { name: 'Ed25519' }, true, ['verify']);
}

function part(value: unknown): string {
  return btoa(JSON.stringify(value)).replaceAll('=', '');
}

it('workerd takes a forged signature under a key of small order, so that we have to look', async () => {
  const forged = new Uint8Array([...NEUTRAL, ...new Uint8Array(32)]);
  const text = new TextEncoder().encode('anything');
  expect(await crypto.subtle.verify({ name: 'Ed25519' }, await neutralKey(), forged, text)).toBe(
    true,
  );
});

it('a key of small order that came by another way than the import is refused', async () => {
  const forged = btoa(String.fromCharCode(...NEUTRAL, ...new Uint8Array(32))).replaceAll('=', '');
  const token = `${part({ alg: 'Ed25519', typ: 'mission-grant+jwt', kid: 'k' })}.${part({})}.${forged}`;
  const verified = await verifyGrant({
    token,
    keyOf: neutralKey,
    userId: 'u',
    missionId: 'm',
    nowMs: 0,
  });
  // Without the look at the key it would be 'malformed': the signature passes, the claims do not.
  expect(verified).toEqual({ ok: false, reason: 'bad-signature' });
});
