import { compactVerify } from 'jose';
import { decodeBase64url, hasExactly, isObject, jsonOf } from './bytes.ts';
import { type GrantClaims, readGrantClaims } from './claims.ts';
import { isReducedEd25519Signature, isSafeEd25519PublicKey } from './curve25519.ts';
import { type GrantReason, refused, type Refused } from './errors.ts';
import { GRANT_TYPE } from './mint.ts';
import type { GrantKeyFinder } from './signing-keys.ts';

/** Longer texts are refused unread. A scope of 1,000 long names fits into it. */
export const LONGEST_TOKEN = 512 * 1024;
/** How far nbf and iat may lie ahead, for clocks that run apart. exp has no such tolerance. */
export const TOLERANCE_SEC = 60;

export type GrantToVerify = {
  /** compact JWS */
  token: unknown;
  keyOf: GrantKeyFinder;
  /** whose record the grant was found on */
  userId: string;
  /** which mission it was found on */
  missionId: string;
  nowMs: number;
};

export type VerifiedGrant = { ok: true; claims: GrantClaims } | Refused;

/**
 * Checks a grant: form, signature, claims, person and mission, then its time. Reads no clock.
 * Whether it was revoked stands in the database; openGrantKeys checks what its keys open.
 * @throws TypeError if `keyOf` returns a key that cannot be checked (not extractable, not Ed25519);
 *   what `keyOf` throws
 */
export async function verifyGrant({
  token,
  keyOf,
  userId,
  missionId,
  nowMs,
}: GrantToVerify): Promise<VerifiedGrant> {
  const kid = kidOf(token);
  if (kid === null) return refused('malformed');
  const key = await keyOf(kid);
  if (key === null || !(await isSafeKey(key))) return refused('bad-signature');
  const payload = await verifiedPayload(token as string, key);
  if (payload === null) return refused('bad-signature');
  const read = jsonOf(payload);
  const claims = isObject(read) ? readGrantClaims(read) : null;
  if (claims === null) return refused('malformed');
  const fault = faultOf(claims, { userId, missionId, nowMs });
  return fault === null ? { ok: true, claims } : refused(fault);
}

/**
 * The header's kid, if the text is canonical and the header exactly that of a grant. So no jwk,
 * jku, x5u, crit or other alg is ever read.
 */
function kidOf(token: unknown): string | null {
  if (typeof token !== 'string' || token.length > LONGEST_TOKEN) return null;
  const parts = token.split('.').map(decodeBase64url);
  const [headerBytes] = parts;
  if (
    parts.length !== 3 ||
    parts.includes(null) ||
    headerBytes === undefined ||
    headerBytes === null
  )
    return null;
  const header = jsonOf(headerBytes);
  if (!isObject(header) || !hasExactly(header, ['alg', 'typ', 'kid'])) return null;
  const { alg, typ, kid } = header;
  return alg === 'Ed25519' && typ === GRANT_TYPE && typeof kid === 'string' ? kid : null;
}

/** The key is checked here too, not only at import, because it may have come another way. */
async function isSafeKey(key: CryptoKey): Promise<boolean> {
  if (key.algorithm.name !== 'Ed25519' || key.type !== 'public' || !key.extractable)
    throw new TypeError('a key that verifies grants is an extractable Ed25519 public key');
  return isSafeEd25519PublicKey(
    new Uint8Array((await crypto.subtle.exportKey('raw', key)) as ArrayBuffer),
  );
}

async function verifiedPayload(token: string, key: CryptoKey): Promise<Uint8Array | null> {
  const signature = decodeBase64url(token.slice(token.lastIndexOf('.') + 1));
  if (signature === null || !isReducedEd25519Signature(signature)) return null;
  try {
    return (await compactVerify(token, key, { algorithms: ['Ed25519'] })).payload;
  } catch {
    return null;
  }
}

function faultOf(
  claims: GrantClaims,
  { userId, missionId, nowMs }: Omit<GrantToVerify, 'token' | 'keyOf'>,
): GrantReason | null {
  const nowSec = nowMs / 1000;
  if (claims.sub !== userId) return 'wrong-user';
  if (claims.mission !== missionId) return 'wrong-mission';
  // The comparisons are written so that a time that is no number (NaN) is refused.
  if (!(nowSec < claims.exp)) return 'expired';
  if (!(Math.max(claims.nbf, claims.iat) <= nowSec + TOLERANCE_SEC)) return 'not-yet-valid';
  return null;
}
