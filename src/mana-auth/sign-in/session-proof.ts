import { compactVerify, decodeProtectedHeader, importJWK } from 'jose';
import { decodeBase64url, jsonOf } from '../../grants/bytes.ts';
import { isRecord } from '../../values/fields.ts';

const PROOF_TYPE = 'mana-session+jwt';
const LONGEST_PROOF = 4_096;
const MOST_AHEAD_MS = 60_000;

/** The public half of a session's key (RFC 7518, section 6.2.1). */
export type SessionKey = { kty: 'EC'; crv: 'P-256'; x: string; y: string };

export type SessionProof = { sessionId: string; atMs: number };

/** The session that a proof names, before anything of it is believed; null where it is no proof. */
export function claimedSession(proof: string): string | null {
  const claims = claimsOf(proof);
  return typeof claims?.['sid'] === 'string' ? claims['sid'] : null;
}

/**
 * Judges a proof: a compact JWS, alg ES256, typ `mana-session+jwt`, claims { sid, at, aud }. Reads
 * no clock.
 * @param origins the origins of the console, of which `aud` has to be one
 * @returns what it says, or null where it is not to be believed. That `at` rises is checked where
 * the last one is kept.
 * @see RFC 7515 section 5.2
 */
export async function verifySessionProof(
  proof: string,
  key: SessionKey,
  { origins, nowMs }: { origins: readonly string[]; nowMs: number },
): Promise<SessionProof | null> {
  try {
    if (decodeProtectedHeader(proof).typ !== PROOF_TYPE) return null;
    await compactVerify(proof, await importJWK(key, 'ES256'), { algorithms: ['ES256'] });
  } catch {
    return null;
  }
  const claims = claimsOf(proof);
  const [sid, at, aud] = [claims?.['sid'], claims?.['at'], claims?.['aud']];
  if (typeof sid !== 'string' || typeof aud !== 'string' || !origins.includes(aud)) return null;
  if (typeof at !== 'number' || !Number.isSafeInteger(at) || at <= 0) return null;
  return at > nowMs + MOST_AHEAD_MS ? null : { sessionId: sid, atMs: at };
}

function claimsOf(proof: string): Record<string, unknown> | null {
  if (proof.length > LONGEST_PROOF) return null;
  const bytes = decodeBase64url(proof.split('.')[1] ?? '');
  const claims = bytes === null ? undefined : jsonOf(bytes);
  return isRecord(claims) ? claims : null;
}

/**
 * Whether a key can be a session's: a point on P-256, and no private half, which nobody may send.
 */
export async function isSessionKey(key: SessionKey): Promise<boolean> {
  try {
    await importJWK(key, 'ES256');
    return true;
  } catch {
    return false;
  }
}
