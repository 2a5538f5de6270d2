import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  deriveRecordKeyBytes,
  type GrantClaims,
  grantKeyFinder,
  type GrantSigningKey,
  importMasterKey,
  importRunnerPrivateKeys,
  importRunnerPublicKey,
  importSigningKeys,
  mintGrant,
  parseRecordRef,
  type RecipientKey,
  type RunnerPrivateKey,
  sealKeys,
  sortedScope,
} from '../../../src/grants/index.ts';

/** Fixed instant of all tests: 2026-11-24T12:00:00Z. */
export const NOW_SEC = 1_795_521_600;
export const NOW_MS = NOW_SEC * 1000;
export const USER = 'user-1';
export const MISSION = 'mission-1';
export const NOTE = { tableName: 'notes', recordId: 'note-1' };
export const RECORDS = ['notes:note-1', 'tasks:task-1'];

export function bytes(fill: number, length = 32): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, at) => (fill + at) % 256);
}

export async function masterKey(fill = 1): Promise<CryptoKey> {
  return importMasterKey(bytes(fill));
}

export function pemPair(type: 'x25519' | 'ed25519'): {
  privatePem: string;
  publicPem: string;
  publicKey: KeyObject;
} {
  const { privateKey, publicKey } =
    type === 'x25519' ? generateKeyPairSync('x25519') : generateKeyPairSync('ed25519');
  return {
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    publicKey,
  };
}

export type Runner = { recipient: RecipientKey; privateKeys: RunnerPrivateKey[] };

export async function runner(): Promise<Runner> {
  const { privatePem, publicPem } = pemPair('x25519');
  return {
    recipient: await importRunnerPublicKey(publicPem),
    privateKeys: await importRunnerPrivateKeys(privatePem),
  };
}

export async function signer(): Promise<GrantSigningKey> {
  const [key] = await importSigningKeys(pemPair('ed25519').privatePem);
  if (key === undefined) throw new Error('no signing key');
  return key;
}

/** The keys of these records, as sealKeys wants them. */
export async function keysOf(
  records: readonly string[],
  versions: readonly number[] = [1],
): Promise<Map<string, Map<number, Uint8Array>>> {
  const master = await masterKey();
  const entries = records.map(async (record) => {
    const ref = parseRecordRef(record);
    if (ref === null) throw new Error('no record');
    const ofRecord = versions.map(
      async (version) => [version, await deriveRecordKeyBytes(master, ref, version)] as const,
    );
    return [record, new Map(await Promise.all(ofRecord))] as const;
  });
  return new Map(await Promise.all(entries));
}

export type ClaimsToMint = Omit<GrantClaims, 'iss' | 'aud' | 'keysHash'>;

export function claimsToMint(changes: Partial<ClaimsToMint> = {}): ClaimsToMint {
  return {
    sub: USER,
    jti: 'grant-1',
    iat: NOW_SEC,
    nbf: NOW_SEC,
    exp: NOW_SEC + 7 * 86_400,
    mission: MISSION,
    records: sortedScope(RECORDS),
    llm: 'any',
    ...changes,
  };
}

/** A whole grant: token, sealed keys, and who can verify and open it. */
export async function grant(changes: Partial<ClaimsToMint> = {}) {
  const [signingKey, reader] = await Promise.all([signer(), runner()]);
  const claims = claimsToMint(changes);
  const keysJwe = await sealKeys({
    recipient: reader.recipient,
    userId: claims.sub,
    missionId: claims.mission,
    expiresAtSec: claims.exp,
    keys: await keysOf([...claims.records, `aiMissions:${claims.mission}`]),
  });
  const token = await mintGrant({ signingKey, claims, keysJwe });
  const keyOf = await grantKeyFinder({ keys: [signingKey.publicJwk] });
  return { token, keysJwe, signingKey, keyOf, claims, ...reader };
}
