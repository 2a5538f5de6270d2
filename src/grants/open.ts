import { compactDecrypt } from 'jose';
import { type Bytes, decodeBase64url, isObject, jsonOf, wipe } from './bytes.ts';
import type { GrantClaims } from './claims.ts';
import { refused, type Refused } from './errors.ts';
import { hashOfKeys } from './mint.ts';
import { formatRecordRef, missionRef } from './names.ts';
import { importRecordKey, KEY_BYTES, parseKeyVersion, type RecordKeys } from './record-keys.ts';
import type { RunnerPrivateKey } from './runner-keys.ts';
import { KEYS_ALGORITHM, KEYS_ENCRYPTION, readSealedHeader, type SealedHeader } from './sealed.ts';

/** The keys of a grant: `table:id` -> keys by version. */
export type GrantKeys = ReadonlyMap<string, RecordKeys>;

export type GrantToOpen = {
  /** as verifyGrant returned them */
  claims: GrantClaims;
  /** of the grants row */
  keysJwe: string;
  privateKeys: readonly RunnerPrivateKey[];
};

export type OpenedGrant = { ok: true; keys: GrantKeys } | Refused;

/**
 * Opens the keys of a verified grant. They must be the ones that the token names (keysHash), be
 * sealed for the same person and mission and for as long, and be for exactly the records of the
 * scope and the mission itself. Any difference refuses all of them.
 */
export async function openGrantKeys({
  claims,
  keysJwe,
  privateKeys,
}: GrantToOpen): Promise<OpenedGrant> {
  if (privateKeys.length === 0) return refused('not-configured');
  const header = readSealedHeader(keysJwe);
  if (header === null || !isOf(header, claims) || (await hashOfKeys(keysJwe)) !== claims.keysHash)
    return refused('wrap-rejected');
  const own = privateKeys.find(({ kid }) => kid === header.kid);
  const plaintext = own === undefined ? null : await decrypt(keysJwe, own.key);
  if (plaintext === null) return refused('wrap-rejected');
  const sealed = jsonOf(plaintext);
  wipe(plaintext);
  const keys = isObject(sealed) && coversExactly(sealed, claims) ? await importKeys(sealed) : null;
  return keys === null ? refused('wrap-rejected') : { ok: true, keys };
}

function isOf(header: SealedHeader, { sub, mission, exp }: GrantClaims): boolean {
  return header.sub === sub && header.mission === mission && header.exp >= exp;
}

async function decrypt(keysJwe: string, key: CryptoKey): Promise<Bytes | null> {
  try {
    const { plaintext } = await compactDecrypt(keysJwe, key, {
      keyManagementAlgorithms: [KEYS_ALGORITHM],
      contentEncryptionAlgorithms: [KEYS_ENCRYPTION],
      maxDecompressedLength: 0,
    });
    return plaintext as Bytes;
  } catch {
    return null;
  }
}

/**
 * Whether the keys are exactly those of the scope. If either has more than the other, it is not
 * what was signed for.
 */
function coversExactly(
  sealed: Record<string, unknown>,
  { records, mission }: GrantClaims,
): boolean {
  const scope = [...records, formatRecordRef(missionRef(mission))];
  return (
    Object.keys(sealed).length === scope.length &&
    scope.every((record) => Object.hasOwn(sealed, record))
  );
}

async function importKeys(sealed: Record<string, unknown>): Promise<GrantKeys | null> {
  const opened = await Promise.all(
    Object.entries(sealed).map(
      async ([record, versions]) => [record, await importVersions(versions)] as const,
    ),
  );
  const usable = opened.filter(
    (entry): entry is readonly [string, RecordKeys] => entry[1] !== null,
  );
  return usable.length === opened.length ? new Map(usable) : null;
}

async function importVersions(versions: unknown): Promise<RecordKeys | null> {
  if (!isObject(versions) || Object.keys(versions).length === 0) return null;
  const keys = new Map<number, CryptoKey>();
  for (const [versionText, keyText] of Object.entries(versions)) {
    const version = parseKeyVersion(versionText);
    const key = typeof keyText === 'string' ? decodeBase64url(keyText) : null;
    if (version === null || key?.length !== KEY_BYTES || key.every((byte) => byte === 0))
      return null;
    keys.set(version, await importRecordKey(key));
  }
  return keys;
}
