import { type Bytes, decodeBase64url, hasExactly, isObject, jsonOf } from './bytes.ts';
import { isSeconds } from './claims.ts';
import { isSafeX25519PublicKey } from './curve25519.ts';
import { TAG_BYTES, IV_BYTES } from './fields.ts';
import { isRecordName } from './names.ts';

export const KEYS_TYPE = 'mission-keys+jwe';
export const KEYS_ALGORITHM = 'ECDH-ES+A256KW';
export const KEYS_ENCRYPTION = 'A256GCM';
/** The largest JWE that is signed for or opened. */
export const LARGEST_KEYS_JWE = 192 * 1024;
/** A 32-byte key under AES key wrap (RFC 3394). */
const WRAPPED_KEY_BYTES = 40;

/**
 * What the protected header says beside its fixed members. `exp` is in seconds (RFC 7519, section
 * 5.3: claims as header parameters).
 */
export type SealedHeader = { kid: string; sub: string; mission: string; exp: number };

export type SealedCheck = {
  keysJwe: unknown;
  /** the caller */
  userId: string;
  missionId: string;
  grantExpSec: number;
  /** of the runner's keys */
  knownKids: readonly string[];
};

/**
 * `field` is the name in the request. `message` ends a sentence that begins with "keys", and holds
 * no value.
 */
export type SealedVerdict = { ok: true } | { ok: false; field: string; message: string };

/**
 * Judges keys that a device sealed, as far as their header tells: mana-auth signs for them without
 * seeing a key.
 */
export function checkSealedHeader({
  keysJwe,
  userId,
  missionId,
  grantExpSec,
  knownKids,
}: SealedCheck): SealedVerdict {
  const header = readSealedHeader(keysJwe);
  if (header === null) return bad('is not a JWE of the agreed form');
  if (header.sub !== userId) return bad('is sealed for another person');
  if (header.mission !== missionId) return bad('is sealed for another mission');
  if (!knownKids.includes(header.kid))
    return bad('is sealed to a key that the runner does not have');
  if (!(header.exp >= grantExpSec)) return bad('expires before the grant');
  return { ok: true };
}

function bad(message: string): SealedVerdict {
  return { ok: false, field: 'keys', message };
}

/**
 * Reads the protected header of a compact JWE. Null if the JWE is not canonical, has another size,
 * or has any other header than the agreed one.
 */
export function readSealedHeader(keysJwe: unknown): SealedHeader | null {
  if (typeof keysJwe !== 'string' || keysJwe.length > LARGEST_KEYS_JWE) return null;
  const parts = keysJwe.split('.').map(decodeBase64url);
  const [header, wrappedKey, iv, ciphertext, tag] = parts;
  const sizesFit =
    parts.length === 5 &&
    wrappedKey?.length === WRAPPED_KEY_BYTES &&
    iv?.length === IV_BYTES &&
    tag?.length === TAG_BYTES;
  if (!sizesFit || !header || !ciphertext) return null;
  const read = jsonOf(header);
  return isObject(read) && isSealedHeader(read) ? read : null;
}

const MEMBERS = ['alg', 'enc', 'epk', 'kid', 'typ', 'sub', 'mission', 'exp'] as const;

function isSealedHeader(
  header: Record<string, unknown>,
): header is Record<string, unknown> & SealedHeader {
  const { alg, enc, epk, kid, typ, sub, mission, exp } = header;
  return (
    hasExactly(header, MEMBERS) &&
    alg === KEYS_ALGORITHM &&
    enc === KEYS_ENCRYPTION &&
    typ === KEYS_TYPE &&
    isEphemeralKey(epk) &&
    typeof kid === 'string' &&
    isRecordName(sub) &&
    isRecordName(mission) &&
    isSeconds(exp)
  );
}

/**
 * Whether the shared secret with this public key cannot be all zeros. If it could, anybody could
 * read, and write, what is sealed.
 */
function isEphemeralKey(epk: unknown): boolean {
  if (!isObject(epk) || !hasExactly(epk, ['kty', 'crv', 'x']) || typeof epk['x'] !== 'string')
    return false;
  const point: Bytes | null = decodeBase64url(epk['x']);
  return (
    epk['kty'] === 'OKP' &&
    epk['crv'] === 'X25519' &&
    point !== null &&
    isSafeX25519PublicKey(point)
  );
}
