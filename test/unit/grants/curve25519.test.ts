import { describe, expect, test } from 'vitest';
import {
  isReducedEd25519Signature,
  isSafeEd25519PublicKey,
  isSafeX25519PublicKey,
} from '../../../src/grants/curve25519.ts';
import { smallOrderEncodings } from './edwards.ts';

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

function littleEndian(number: bigint): Uint8Array {
  return Buffer.from(number.toString(16).padStart(64, '0'), 'hex').toReversed();
}

function signatureWith(s: bigint): Uint8Array {
  return new Uint8Array([...new Uint8Array(32), ...littleEndian(s)]);
}

describe('what the runtimes may or may not look at, we do', () => {
  test('S of a signature is less than L', () => {
    expect([0n, 1n, L - 1n].map((s) => isReducedEd25519Signature(signatureWith(s)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(
      [L, L + 1n, 2n ** 256n - 1n].some((s) => isReducedEd25519Signature(signatureWith(s))),
    ).toBe(false);
    expect(isReducedEd25519Signature(signatureWith(1n).subarray(1))).toBe(false);
  });

  test('no Ed25519 key has a small order or a y that is not reduced', () => {
    expect(
      smallOrderEncodings().filter((hex) => isSafeEd25519PublicKey(Buffer.from(hex, 'hex'))),
    ).toEqual([]);
    expect(isSafeEd25519PublicKey(littleEndian(P + 3n))).toBe(false);
    expect(isSafeEd25519PublicKey(littleEndian(3n))).toBe(true);
    expect(isSafeEd25519PublicKey(littleEndian(3n).subarray(1))).toBe(false);
  });

  test('no X25519 key has a small order or a u that is not reduced', () => {
    expect(
      [0n, 1n, P - 1n, P, P + 1n, P + 9n, 2n ** 255n + 9n].some((u) =>
        isSafeX25519PublicKey(littleEndian(u)),
      ),
    ).toBe(false);
    expect(isSafeX25519PublicKey(littleEndian(9n))).toBe(true);
    expect(isSafeX25519PublicKey(littleEndian(9n).subarray(1))).toBe(false);
  });
});
