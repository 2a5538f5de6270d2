import type { Database, Row, Statement } from '../postgres/port.ts';
import { fromBase64, toBase64 } from '../values/base64.ts';
import { type KekRing, MASTER_KEY_BYTES } from './kek-ring.ts';
import {
  disableZeroKnowledge,
  enableZeroKnowledge,
  insertVault,
  noteUse,
  removeRecoveryWrap,
  rotateVault,
  selectVault,
  setRecoveryWrap,
  type VaultAction,
  type VaultRow,
  vaultRowOf,
} from './vault-queries.ts';

export const FORMAT_VERSION = 2;

export type VaultRefusal =
  | 'VAULT_NOT_INITIALISED'
  | 'ZK_ACTIVE'
  | 'ZK_ROTATE_FORBIDDEN'
  | 'RECOVERY_WRAP_MISSING'
  | 'WRONG_MASTER_KEY'
  | 'VAULT_UNREADABLE';
type Refused = { ok: false; code: VaultRefusal };

/**
 * What a device gets: its master key, or in zero-knowledge mode what its recovery code opens.
 * Binary is base64.
 */
export type VaultKey =
  | { masterKey: string; kekId: string; formatVersion: number }
  | {
      requiresRecoveryCode: true;
      recoveryWrappedMk: string;
      recoveryIv: string;
      formatVersion: number;
    };
export type VaultAnswer = { ok: true; key: VaultKey } | Refused;
export type VaultDone = { ok: true } | Refused;
export type MasterKey = { ok: true; masterKey: Uint8Array<ArrayBuffer> } | Refused;

export type VaultStatus = {
  vaultExists: boolean;
  zeroKnowledge: boolean;
  hasRecoveryWrap: boolean;
  recoverySetAt: string | null;
};

/**
 * Wrapped master keys of people. Every use writes an audit row in the transaction that reads or
 * changes the key; if that row cannot be written, no key is opened.
 */
export class Vault {
  readonly #database: Database;
  readonly #keks: KekRing;

  constructor(database: Database, keks: KekRing) {
    this.#database = database;
    this.#keks = keks;
  }

  /** The master key; made where there is none. Two at once get the same one. */
  async init(userId: string): Promise<VaultAnswer> {
    const present = await this.#use(userId, 'init');
    if (present !== null) return this.#answer(userId, present);
    const fresh = await this.#freshKey(userId);
    const statements = [
      insertVault(userId, fresh, this.#keks.currentId),
      noteUse(userId, 'init'),
      selectVault(userId),
    ];
    return this.#answer(userId, await this.#vaultAfter(userId, statements));
  }

  /** The master key of a vault that exists. */
  async key(userId: string): Promise<VaultAnswer> {
    return this.#answer(userId, await this.#use(userId, 'key'));
  }

  /**
   * A new master key. What was encrypted under the old one stays so until a device re-encrypts it,
   * and live grants keep their keys.
   */
  async rotate(userId: string): Promise<VaultAnswer> {
    const fresh = await this.#freshKey(userId);
    const row = await this.#change(userId, rotateVault(userId, fresh, this.#keks.currentId));
    return row?.zeroKnowledge === true ? refused('ZK_ROTATE_FORBIDDEN') : this.#answer(userId, row);
  }

  /**
   * Stores the master key as the person's recovery code wrapped it, which no key of this service
   * opens.
   */
  async setRecoveryWrap(userId: string, wrappedMk: string, iv: string): Promise<VaultDone> {
    const row = await this.#change(userId, setRecoveryWrap(userId, wrappedMk, iv));
    return row === null ? refused('VAULT_NOT_INITIALISED') : { ok: true };
  }

  async removeRecoveryWrap(userId: string): Promise<VaultDone> {
    const row = await this.#change(userId, removeRecoveryWrap(userId));
    if (row === null) return refused('VAULT_NOT_INITIALISED');
    return row.zeroKnowledge ? refused('ZK_ACTIVE') : { ok: true };
  }

  /** Forgets the master key here; only the recovery code opens it from now on. */
  async enableZeroKnowledge(userId: string): Promise<VaultDone> {
    const row = await this.#change(userId, enableZeroKnowledge(userId));
    if (row === null) return refused('VAULT_NOT_INITIALISED');
    return row.zeroKnowledge ? { ok: true } : refused('RECOVERY_WRAP_MISSING');
  }

  /**
   * Takes the master key back into the vault, and overwrites the bytes. Repeating it is harmless; a
   * key that differs from the one in the vault is not taken.
   */
  async disableZeroKnowledge(
    userId: string,
    masterKey: Uint8Array<ArrayBuffer>,
  ): Promise<VaultDone> {
    try {
      const wrapped = await this.#keks.wrap(masterKey, userId);
      const row = await this.#change(
        userId,
        disableZeroKnowledge(userId, wrapped, this.#keks.currentId),
      );
      if (row?.wrapped?.text === wrapped) return { ok: true };
      const kept = await this.#open(userId, await this.#use(userId, 'zero-knowledge-off'));
      if (!kept.ok) return kept;
      const same = sameBytes(kept.masterKey, masterKey);
      kept.masterKey.fill(0);
      return same ? { ok: true } : refused('WRONG_MASTER_KEY');
    } finally {
      masterKey.fill(0);
    }
  }

  async status(userId: string): Promise<VaultStatus> {
    const row = await this.#vaultAfter(userId, [selectVault(userId)]);
    return {
      vaultExists: row !== null,
      zeroKnowledge: row?.zeroKnowledge ?? false,
      hasRecoveryWrap: (row?.recovery ?? null) !== null,
      recoverySetAt: row?.recovery?.setAt ?? null,
    };
  }

  /** The master key's bytes, for minting; the caller overwrites them. */
  async masterKey(userId: string): Promise<MasterKey> {
    return this.#open(userId, await this.#use(userId, 'mint'));
  }

  async #use(userId: string, action: VaultAction): Promise<VaultRow | null> {
    return this.#vaultAfter(userId, [noteUse(userId, action), selectVault(userId)]);
  }

  async #change(userId: string, change: Statement): Promise<VaultRow | null> {
    return this.#vaultAfter(userId, [change, selectVault(userId)]);
  }

  /** One transaction whose last statement is selectVault. */
  async #vaultAfter(userId: string, statements: readonly Statement[]): Promise<VaultRow | null> {
    const results = await this.#database.transaction({
      role: 'mana_auth_service',
      userId,
      statements,
    });
    const rows: readonly Row[] = results.at(-1) ?? [];
    return vaultRowOf(rows[0]);
  }

  async #freshKey(userId: string): Promise<string> {
    const masterKey = crypto.getRandomValues(new Uint8Array(MASTER_KEY_BYTES));
    const wrapped = await this.#keks.wrap(masterKey, userId);
    masterKey.fill(0);
    return wrapped;
  }

  async #answer(userId: string, row: VaultRow | null): Promise<VaultAnswer> {
    if (row !== null && row.zeroKnowledge && row.recovery !== null) {
      const { wrappedMk, iv } = row.recovery;
      const recovery = { recoveryWrappedMk: wrappedMk, recoveryIv: iv };
      return {
        ok: true,
        key: { requiresRecoveryCode: true, ...recovery, formatVersion: FORMAT_VERSION },
      };
    }
    const opened = await this.#open(userId, row);
    if (!opened.ok) return opened;
    const masterKey = toBase64(opened.masterKey);
    opened.masterKey.fill(0);
    return {
      ok: true,
      key: { masterKey, kekId: row?.wrapped?.kekId ?? '', formatVersion: FORMAT_VERSION },
    };
  }

  async #open(userId: string, row: VaultRow | null): Promise<MasterKey> {
    if (row === null) return refused('VAULT_NOT_INITIALISED');
    if (row.wrapped === null) return refused('ZK_ACTIVE');
    const opened = await this.#keks.unwrap(row.wrapped, userId);
    return opened.ok ? opened : refused('VAULT_UNREADABLE');
  }
}

/**
 * A master key as a device sends it, or null where it is none: zeros are what an overwritten one
 * leaves.
 */
export function readMasterKey(text: string): Uint8Array<ArrayBuffer> | null {
  const bytes = fromBase64(text);
  return bytes?.length === MASTER_KEY_BYTES && bytes.some((byte) => byte !== 0) ? bytes : null;
}

function refused(code: VaultRefusal): Refused {
  return { ok: false, code };
}

/** Both have 32 bytes. All of them are looked at, so the time tells nothing. */
function sameBytes(some: Uint8Array, others: Uint8Array): boolean {
  return (
    some.reduce((difference, byte, index) => difference | (byte ^ (others[index] ?? 0)), 0) === 0
  );
}
