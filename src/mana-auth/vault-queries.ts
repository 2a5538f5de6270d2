import type { Row, Statement } from '../postgres/port.ts';

/** Why the vault was used; a row of mana_auth.vault_audit each. */
export type VaultAction =
  | 'init'
  | 'key'
  | 'rotate'
  | 'mint'
  | 'recovery-wrap-set'
  | 'recovery-wrap-removed'
  | 'zero-knowledge-on'
  | 'zero-knowledge-off'
  | 'rewrap';

/** A person's row of mana_auth.vault. */
export type VaultRow = {
  /** null in zero-knowledge mode: then only the person's recovery code opens the master key */
  wrapped: { text: string; kekId: string } | null;
  zeroKnowledge: boolean;
  recovery: { wrappedMk: string; iv: string; setAt: string } | null;
};

const TIME = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`;

/** Rows: the user's vault, or none. */
export function selectVault(userId: string): Statement {
  return {
    text: `select wrapped_key, kek_id, zero_knowledge::text as zero_knowledge, recovery_wrapped_mk, recovery_iv,
             to_char(recovery_set_at at time zone 'utc', ${TIME}) as recovery_set_at
           from mana_auth.vault where user_id = $1`,
    values: [userId],
  };
}

/** The row that selectVault read, or null for no row. */
export function vaultRowOf(row: Row | undefined): VaultRow | null {
  if (row === undefined) return null;
  const { wrapped_key: text, kek_id: kekId, recovery_wrapped_mk: wrappedMk } = row;
  const recovery = { iv: row['recovery_iv'] ?? '', setAt: row['recovery_set_at'] ?? '' };
  // The table's constraints: each group is whole or not there.
  return {
    wrapped: text ? { text, kekId: kekId ?? '' } : null,
    zeroKnowledge: row['zero_knowledge'] === 'true',
    recovery: wrappedMk ? { wrappedMk, ...recovery } : null,
  };
}

/**
 * Notes a use of the key as it is; nothing where the user has no vault. It goes before the read, in
 * the same transaction.
 */
export function noteUse(userId: string, action: VaultAction): Statement {
  return {
    text: `insert into mana_auth.vault_audit (user_id, action, kek_id)
           select user_id, $2, kek_id from mana_auth.vault where user_id = $1`,
    values: [userId, action],
  };
}

/** Makes a vault where there is none. */
export function insertVault(userId: string, wrapped: string, kekId: string): Statement {
  return {
    text: `insert into mana_auth.vault (user_id, wrapped_key, kek_id) values ($1, $2, $3) on conflict do nothing`,
    values: [userId, wrapped, kekId],
  };
}

/**
 * Stores a new master key and removes the recovery code's wrap: that wrap opens the old key, and in
 * zero-knowledge mode the new key would be lost.
 */
export function rotateVault(userId: string, wrapped: string, kekId: string): Statement {
  return changeVault(
    'rotate',
    `wrapped_key = $3, kek_id = $4, rotated_at = now(), recovery_wrapped_mk = null, recovery_iv = null, recovery_set_at = null
     where user_id = $1 and not zero_knowledge`,
    [userId, wrapped, kekId],
  );
}

export function setRecoveryWrap(userId: string, wrappedMk: string, iv: string): Statement {
  return changeVault(
    'recovery-wrap-set',
    'recovery_wrapped_mk = $3, recovery_iv = $4, recovery_set_at = now() where user_id = $1',
    [userId, wrappedMk, iv],
  );
}

/** Not in zero-knowledge mode, where nothing else opens the key. */
export function removeRecoveryWrap(userId: string): Statement {
  return changeVault(
    'recovery-wrap-removed',
    `recovery_wrapped_mk = null, recovery_iv = null, recovery_set_at = null
     where user_id = $1 and not zero_knowledge and recovery_wrapped_mk is not null`,
    [userId],
  );
}

/** Forgets the master key, where a recovery code can open it. */
export function enableZeroKnowledge(userId: string): Statement {
  return changeVault(
    'zero-knowledge-on',
    `wrapped_key = null, kek_id = null, zero_knowledge = true
     where user_id = $1 and not zero_knowledge and recovery_wrapped_mk is not null`,
    [userId],
  );
}

export function disableZeroKnowledge(userId: string, wrapped: string, kekId: string): Statement {
  return changeVault(
    'zero-knowledge-off',
    'wrapped_key = $3, kek_id = $4, zero_knowledge = false where user_id = $1 and zero_knowledge',
    [userId, wrapped, kekId],
  );
}

/**
 * The same master key under another KEK, unless the row changed since it was read. Rows: one if it
 * did this.
 */
export function rewrapVault(
  userId: string,
  old: { text: string; kekId: string },
  wrapped: { text: string; kekId: string },
): Statement {
  return changeVault(
    'rewrap',
    `wrapped_key = $3, kek_id = $4 where user_id = $1 and wrapped_key = $5 and kek_id = $6`,
    [userId, wrapped.text, wrapped.kekId, old.text, old.kekId],
  );
}

/**
 * Rows: user_id of up to `most` users after `after` whose key another KEK than the current one
 * wraps.
 */
export function usersToRewrap(currentKekId: string, after: string, most: number): Statement {
  return {
    text: 'select mana_auth.users_to_rewrap($1, $2, $3::int) as user_id',
    values: [currentKekId, after, most],
  };
}

/** An update and its audit row in one statement: neither is without the other. $2 is the action. */
function changeVault(
  action: VaultAction,
  change: string,
  [userId, ...values]: [string, ...string[]],
): Statement {
  return {
    text: `with changed as (update mana_auth.vault set ${change} returning user_id, kek_id)
           insert into mana_auth.vault_audit (user_id, action, kek_id) select user_id, $2, kek_id from changed returning id`,
    values: [userId, action, ...values],
  };
}
