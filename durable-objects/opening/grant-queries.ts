import type { GrantClaims } from '../../src/grants/index.ts';
import type { Statement } from '../../src/postgres/port.ts';

/**
 * The row that says whether a grant's keys still exist: none, or columns `mission`, `keys_jwe`,
 * `revoked` and `expired`.
 */
export function selectGrantUse({ jti, sub }: GrantClaims): Statement {
  return {
    text: `select mission, keys_jwe, (revoked_at is not null)::text as revoked,
        (expires_at <= now())::text as expired
      from mana_auth.grant_uses where jti = $1 and user_id = $2`,
    values: [jti, sub],
  };
}

/** Erases the keys of grants that have expired; one row with their number, `erased`. */
export function eraseExpiredKeys(): Statement {
  return { text: `select mana_auth.erase_expired_keys() as erased`, values: [] };
}

/** Removes links and sessions that have ended; one row with their number, `removed`. */
export function removeEndedSignIns(): Statement {
  return { text: `select mana_auth.remove_ended_sign_ins() as removed`, values: [] };
}
