import type { Row, Statement } from '../postgres/port.ts';

export const MOST_MINTS_A_MINUTE = 60;

/** A grant as it is stored; times are ISO-8601 UTC. */
export type StoredGrant = {
  grantId: string;
  missionId: string;
  records: string[];
  llm: 'any' | 'local';
  issuedAt: string;
  expiresAt: string;
};
export type ListedGrant = StoredGrant & { revokedAt?: string };

/** Enough for a person to look through; those in force come first. */
const MOST_LISTED = 500;

const iso = (column: string): string =>
  `to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as ${column}`;

/** When the oldest of the newest 60 mints was. $1 is the user, $2 the limit. */
const OLDEST_THAT_COUNTS = `select created_at from mana_auth.grants where user_id = $1 order by created_at desc offset $2::int - 1 limit 1`;

/**
 * Rows: `wait_seconds` until the next mint is allowed (0 and below: now), or none where there were
 * few.
 */
export function selectMintWait(userId: string): Statement {
  return {
    text: `select ceil(extract(epoch from created_at + interval '1 minute' - clock_timestamp()))::int as wait_seconds
           from (${OLDEST_THAT_COUNTS}) oldest`,
    values: [userId, MOST_MINTS_A_MINUTE],
  };
}

/** Seconds that selectMintWait tells to wait, 0 for none. */
export function mintWaitOf(row: Row | undefined): number {
  return Math.max(0, Number(row?.['wait_seconds'] ?? 0));
}

/**
 * Mints of one user take turns from here to the end of the transaction: counting and adding are one
 * step.
 */
export function lockMints(userId: string): Statement {
  return {
    text: `select pg_advisory_xact_lock(hashtextextended('mana_auth.grants:' || $1, 0))`,
    values: [userId],
  };
}

/** Keeps a grant's keys, unless the user has minted too many lately. Rows: one if they are kept. */
export function insertGrant(userId: string, grant: StoredGrant, keysJwe: string): Statement {
  const { grantId, missionId, records, llm, issuedAt, expiresAt } = grant;
  return {
    text: `insert into mana_auth.grants (user_id, jti, mission, keys_jwe, issued_at, expires_at, records, llm)
           select $1, $3, $4, $5, $6::timestamptz, $7::timestamptz, $8::jsonb, $9
           where not exists (
             select from (${OLDEST_THAT_COUNTS}) oldest where created_at > clock_timestamp() - interval '1 minute'
           )
           returning jti`,
    values: [
      userId,
      MOST_MINTS_A_MINUTE,
      grantId,
      missionId,
      keysJwe,
      issuedAt,
      expiresAt,
      JSON.stringify(records),
      llm,
    ],
  };
}

/** Rows: the user's grants, those in force first, then the newest. */
export function selectGrants(userId: string): Statement {
  return {
    text: `select jti, mission, records::text as records, llm, ${iso('issued_at')}, ${iso('expires_at')}, ${iso('revoked_at')}
           from mana_auth.grants g where user_id = $1
           order by g.revoked_at is null and g.expires_at > now() desc, g.issued_at desc, jti limit $2::int`,
    values: [userId, MOST_LISTED],
  };
}

export function listedGrantOf(row: Row): ListedGrant {
  const revokedAt = row['revoked_at'] ?? null;
  return {
    grantId: row['jti'] ?? '',
    missionId: row['mission'] ?? '',
    records: JSON.parse(row['records'] ?? '[]') as string[],
    llm: row['llm'] === 'local' ? 'local' : 'any',
    issuedAt: row['issued_at'] ?? '',
    expiresAt: row['expires_at'] ?? '',
    ...(revokedAt === null ? {} : { revokedAt }),
  };
}

/** Ends a grant and erases its keys; the first end stands. Rows: one if the user has this grant. */
export function revokeGrant(userId: string, grantId: string): Statement {
  return {
    text: `update mana_auth.grants set keys_jwe = null, revoked_at = coalesce(revoked_at, now())
           where user_id = $1 and jti = $2 returning jti`,
    values: [userId, grantId],
  };
}
