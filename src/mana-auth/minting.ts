import {
  checkSealedHeader,
  deriveRecordKeyBytes,
  formatRecordRef,
  type GrantSigningKey,
  grantLifetimeSec,
  importMasterKey,
  type KeysToSeal,
  LARGEST_KEYS_JWE,
  mintGrant,
  missionRef,
  parseRecordRef,
  type RecipientKey,
  sealKeys,
} from '../grants/index.ts';
import type { Database } from '../postgres/port.ts';
import {
  insertGrant,
  type ListedGrant,
  listedGrantOf,
  lockMints,
  mintWaitOf,
  revokeGrant,
  selectGrants,
  selectMintWait,
  type StoredGrant,
} from './grant-queries.ts';
import type { Vault, VaultRefusal } from './vault.ts';

/** What a person asks for, checked. */
export type GrantRequest = {
  missionId: string;
  /** `table:id`, sorted, each once */
  records: readonly string[];
  lifetimeMs: number | undefined;
  llm: 'any' | 'local';
  /** `table:id` -> versions, of listed records or the mission; [1] where it says nothing */
  keyVersions: ReadonlyMap<string, readonly number[]>;
};

export type MintedGrant = Omit<StoredGrant, 'missionId'> & { token: string };
export type MintRefusal =
  | { ok: false; code: VaultRefusal }
  | { ok: false; code: 'RATE_LIMITED'; waitSeconds: number }
  | { ok: false; code: 'BAD_REQUEST'; field: string; message: string };
export type Minted = { ok: true; grant: MintedGrant } | MintRefusal;

export type MintingDeps = {
  database: Database;
  signingKey: GrantSigningKey;
  /** the runner's keys: the first seals, all are known */
  recipients: readonly [RecipientKey, ...RecipientKey[]];
};

const DERIVED_AT_ONCE = 64;

/**
 * Mints for a person whose master key is in the vault: derives the record keys, seals them to the
 * runner, signs.
 */
export async function mint(
  deps: MintingDeps & { vault: Vault },
  userId: string,
  request: GrantRequest,
  nowMs: number,
): Promise<Minted> {
  const waitSeconds = await mintWait(deps.database, userId);
  if (waitSeconds > 0) return { ok: false, code: 'RATE_LIMITED', waitSeconds };
  const opened = await deps.vault.masterKey(userId);
  if (!opened.ok) return opened;
  const grant = newGrant(request, nowMs);
  const keys = await recordKeys(await importMasterKey(opened.masterKey), request);
  const { missionId } = request;
  const expiresAtSec = Date.parse(grant.expiresAt) / 1_000;
  const keysJwe = await sealKeys({
    recipient: deps.recipients[0],
    userId,
    missionId,
    expiresAtSec,
    keys,
  });
  if (keysJwe.length > LARGEST_KEYS_JWE) {
    return {
      ok: false,
      code: 'BAD_REQUEST',
      field: 'keyVersions',
      message: 'names too many keys for one grant',
    };
  }
  return sign(deps, userId, grant, keysJwe);
}

/**
 * Signs a grant whose keys a device has sealed to the runner itself. This Worker never sees the
 * keys and judges their header only.
 */
export async function mintSealed(
  deps: MintingDeps,
  userId: string,
  request: GrantRequest & { keysJwe: string },
  nowMs: number,
): Promise<Minted> {
  const grant = newGrant(request, nowMs);
  const { missionId, keysJwe } = request;
  const grantExpSec = Date.parse(grant.expiresAt) / 1_000;
  const knownKids = deps.recipients.map(({ kid }) => kid);
  const checked = checkSealedHeader({ keysJwe, userId, missionId, grantExpSec, knownKids });
  if (!checked.ok)
    return { ok: false, code: 'BAD_REQUEST', field: checked.field, message: checked.message };
  return sign(deps, userId, grant, keysJwe);
}

/** The person's grants, those in force first. */
export async function listGrants(database: Database, userId: string): Promise<ListedGrant[]> {
  const statements = [selectGrants(userId)];
  const [rows = []] = await database.transaction({ role: 'mana_auth_service', userId, statements });
  return rows.map(listedGrantOf);
}

/** Ends a grant at once and erases its keys. False: the person has no such grant. */
export async function revoke(
  database: Database,
  userId: string,
  grantId: string,
): Promise<boolean> {
  const statements = [revokeGrant(userId, grantId)];
  const [rows = []] = await database.transaction({ role: 'mana_auth_service', userId, statements });
  return rows.length > 0;
}

async function mintWait(database: Database, userId: string): Promise<number> {
  const statements = [selectMintWait(userId)];
  const [rows = []] = await database.transaction({ role: 'mana_auth_service', userId, statements });
  return mintWaitOf(rows[0]);
}

/** Times of a token are whole seconds, so those of the row are too. */
function newGrant(
  { missionId, records, llm, lifetimeMs }: GrantRequest,
  nowMs: number,
): StoredGrant {
  const issuedAtSec = Math.floor(nowMs / 1_000);
  const expiresAtSec = issuedAtSec + grantLifetimeSec(lifetimeMs);
  return {
    grantId: crypto.randomUUID(),
    missionId,
    records: [...records],
    llm,
    issuedAt: new Date(issuedAtSec * 1_000).toISOString(),
    expiresAt: new Date(expiresAtSec * 1_000).toISOString(),
  };
}

async function recordKeys(masterKey: CryptoKey, request: GrantRequest): Promise<KeysToSeal> {
  const all = [...request.records, formatRecordRef(missionRef(request.missionId))];
  const keys = new Map<string, ReadonlyMap<number, Uint8Array>>();
  for (let at = 0; at < all.length; at += DERIVED_AT_ONCE) {
    const slice = all.slice(at, at + DERIVED_AT_ONCE);
    const derived = await Promise.all(slice.map((name) => versionsOf(masterKey, name, request)));
    for (const [index, name] of slice.entries()) keys.set(name, derived[index] ?? new Map());
  }
  return keys;
}

async function versionsOf(
  masterKey: CryptoKey,
  name: string,
  { keyVersions }: GrantRequest,
): Promise<ReadonlyMap<number, Uint8Array>> {
  const ref = parseRecordRef(name);
  if (ref === null) throw new TypeError('records are checked before they come here');
  const versions = keyVersions.get(name) ?? [1];
  const derived = versions.map(
    async (version) => [version, await deriveRecordKeyBytes(masterKey, ref, version)] as const,
  );
  return new Map(await Promise.all(derived));
}

async function sign(
  deps: MintingDeps,
  userId: string,
  grant: StoredGrant,
  keysJwe: string,
): Promise<Minted> {
  const { grantId, missionId, records, llm, issuedAt, expiresAt } = grant;
  const iat = Date.parse(issuedAt) / 1_000;
  const exp = Date.parse(expiresAt) / 1_000;
  const claims = {
    sub: userId,
    jti: grantId,
    iat,
    nbf: iat,
    exp,
    mission: missionId,
    records,
    llm,
  };
  const token = await mintGrant({ signingKey: deps.signingKey, claims, keysJwe });
  const statements = [
    lockMints(userId),
    insertGrant(userId, grant, keysJwe),
    selectMintWait(userId),
  ];
  const results = await deps.database.transaction({
    role: 'mana_auth_service',
    userId,
    statements,
  });
  if (results[1]?.length !== 1) {
    return {
      ok: false,
      code: 'RATE_LIMITED',
      waitSeconds: Math.max(1, mintWaitOf(results[2]?.[0])),
    };
  }
  return { ok: true, grant: { grantId, token, records, llm, issuedAt, expiresAt } };
}
