/**
 * Rules of Curve25519 that WebCrypto does not enforce. With a public key of small order, forgeries
 * verify (Ed25519), or everybody knows the shared secret (X25519). If S is not reduced, the
 * signature is a second signature of the same text.
 */

const P = 2n ** 255n - 19n;
/** Order of the base point (RFC 8032, section 5.1). */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const LOW_255_BITS = 2n ** 255n - 1n;

/** y of the two pairs of points of order 8 on edwards25519. */
const ED25519_ORDER_8 = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
/** y of all points of small order: 1 is the neutral element, -1 has order 2, 0 has order 4. */
const ED25519_SMALL_ORDER = new Set([0n, 1n, P - 1n, ED25519_ORDER_8, P - ED25519_ORDER_8]);

/**
 * u of all points of small order, on the curve and on its twist: 0, 1, -1 and the two of order 8
 * (RFC 7748, section 6.1).
 */
const X25519_SMALL_ORDER = new Set([
  0n,
  1n,
  P - 1n,
  0x00b8495f16056286fdb1329ceb8d09da6ac49ff1fae35616aeb8413b7c7aebe0n,
  0x57119fd0dd4e22d8868e1c58c45c44045bef839c55b1d0b1248c50a3bc959c5fn,
]);

/** Whether 32 bytes are a canonical y-coordinate of a point whose order is not small. */
export function isSafeEd25519PublicKey(bytes: Uint8Array): boolean {
  // The highest bit is the sign of x. Points of small order exist with both signs.
  const y = littleEndian(bytes) & LOW_255_BITS;
  return bytes.length === 32 && y < P && !ED25519_SMALL_ORDER.has(y);
}

/** Whether 32 bytes are a canonical u-coordinate that never gives a shared secret of zeros. */
export function isSafeX25519PublicKey(bytes: Uint8Array): boolean {
  const u = littleEndian(bytes);
  return bytes.length === 32 && u < P && !X25519_SMALL_ORDER.has(u);
}

/** Whether 64 bytes are a signature whose S is less than L (RFC 8032, section 5.1.7). */
export function isReducedEd25519Signature(signature: Uint8Array): boolean {
  return signature.length === 64 && littleEndian(signature.subarray(32)) < L;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n);
}
