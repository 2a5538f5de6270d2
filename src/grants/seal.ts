import { CompactEncrypt } from 'jose';
import { type Bytes, encodeBase64url, utf8, wipe } from './bytes.ts';
import { isSeconds } from './claims.ts';
import { GrantsError } from './errors.ts';
import {
  formatRecordRef,
  isRecordName,
  missionRef,
  MISSIONS_TABLE,
  parseRecordRef,
  sortedScope,
} from './names.ts';
import { isKeyVersion, KEY_BYTES } from './record-keys.ts';
import type { RecipientKey } from './runner-keys.ts';
import { KEYS_ALGORITHM, KEYS_ENCRYPTION, KEYS_TYPE } from './sealed.ts';

/** `table:id` -> version -> 32 bytes. */
export type KeysToSeal = ReadonlyMap<string, ReadonlyMap<number, Uint8Array>>;

export type Sealing = {
  recipient: Pick<RecipientKey, 'kid' | 'key'>;
  userId: string;
  missionId: string;
  /** not before the grant's own end */
  expiresAtSec: number;
  /** of exactly the grant's records and the mission itself */
  keys: KeysToSeal;
};

/** For vectors alone: values that must otherwise be random. */
export type FixedRandomness = { ephemeralKey: CryptoKey; contentKey: Bytes; iv: Bytes };

/**
 * Seals record keys to the runner: compact JWE (RFC 7516), ECDH-ES+A256KW on X25519 (RFC 8037),
 * A256GCM. Overwrites the keys' bytes.
 * @throws GrantsError NAME_REFUSED, KEY_REFUSED, CLAIMS_REFUSED (a time that is none)
 */
export async function sealKeys(sealing: Sealing): Promise<string> {
  return seal(sealing, (jwe) => jwe);
}

/**
 * sealKeys with randomness from outside. If the same values seal two texts, both are given away.
 */
export async function sealKeysWithFixed(sealing: Sealing, fixed: FixedRandomness): Promise<string> {
  return seal(sealing, (jwe) =>
    jwe
      .setKeyManagementParameters({ epk: fixed.ephemeralKey })
      .setContentEncryptionKey(fixed.contentKey)
      .setInitializationVector(fixed.iv),
  );
}

async function seal(
  sealing: Sealing,
  prepare: (jwe: CompactEncrypt) => CompactEncrypt,
): Promise<string> {
  assertSealable(sealing);
  const { recipient, userId, missionId, expiresAtSec, keys } = sealing;
  const plaintext = plaintextOf(keys);
  try {
    return await prepare(new CompactEncrypt(plaintext))
      .setProtectedHeader({
        alg: KEYS_ALGORITHM,
        enc: KEYS_ENCRYPTION,
        kid: recipient.kid,
        typ: KEYS_TYPE,
        sub: userId,
        mission: missionId,
        exp: expiresAtSec,
      })
      .encrypt(recipient.key);
  } finally {
    wipe(
      plaintext,
      ...Array.from(keys.values(), (versions) => Array.from(versions.values())).flat(),
    );
  }
}

function assertSealable({ userId, missionId, expiresAtSec, keys }: Sealing): void {
  if (!isRecordName(userId) || !isRecordName(missionId))
    throw new GrantsError('NAME_REFUSED', 'an id is not allowed');
  if (!isSeconds(expiresAtSec))
    throw new GrantsError('CLAIMS_REFUSED', 'the end is a whole number of seconds');
  const own = formatRecordRef(missionRef(missionId));
  if (!keys.has(own)) throw new GrantsError('KEY_REFUSED', "the mission's own key is missing");
  for (const [record, versions] of keys) {
    const ref = parseRecordRef(record);
    if (ref === null) throw new GrantsError('NAME_REFUSED', 'a record is not allowed');
    if (ref.tableName === MISSIONS_TABLE && record !== own)
      throw new GrantsError('NAME_REFUSED', 'no mission is granted but the own one');
    if (versions.size === 0 || !Array.from(versions).every(isSealable))
      throw new GrantsError('KEY_REFUSED', 'a key is 32 bytes, used once, with a version from 1');
  }
}

/** A key of zeros was overwritten before, so it is refused. */
function isSealable([version, key]: [number, Uint8Array]): boolean {
  return isKeyVersion(version) && key.length === KEY_BYTES && key.some((byte) => byte !== 0);
}

/** JSON, in the order of the scope: `table:id` -> { version: base64url key }. */
function plaintextOf(keys: KeysToSeal): Bytes {
  const entries = sortedScope(keys.keys()).map((record) => {
    const versions = Array.from(
      keys.get(record) ?? [],
      ([version, key]) => [version, encodeBase64url(key)] as const,
    );
    return [record, Object.fromEntries(versions)] as const;
  });
  return utf8(JSON.stringify(Object.fromEntries(entries)));
}
