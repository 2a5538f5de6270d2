import type { Row, Statement } from '../../postgres/port.ts';
import type { SessionKey } from './session-proof.ts';

/** Of more the one that was not used for longest ends. */
export const MOST_SESSIONS = 50;
export const MOST_PASSKEYS = 20;
/** After so many links that nobody used, a person waits until some have ended. */
export const MOST_OPEN_LINKS = 20;

const iso = (column: string): string =>
  `to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as ${column}`;

export type SignInKind = 'link' | 'session' | 'passkey';

/** Rows: one, whose `user_id` is null where there is no such thing. */
export function selectOwner(kind: SignInKind, name: string): Statement {
  return {
    text: 'select mana_auth.sign_in_owner($1, $2) as user_id',
    values: [kind, name],
  };
}

/** Rows: one if the link is kept; none where too many are open. */
export function insertLink(userId: string, secretHash: string, expiresAt: string): Statement {
  return {
    text: `insert into mana_auth.sign_in_links (user_id, secret_hash, expires_at)
           select $1, $2, $3::timestamptz
           where (select count(*) from mana_auth.sign_in_links
                  where user_id = $1 and used_at is null and expires_at > now()) < $4::int
           returning secret_hash`,
    values: [userId, secretHash, expiresAt, MOST_OPEN_LINKS],
  };
}

export type NewSession = { sessionId: string; publicKey: SessionKey; name: string };

/** Uses a link up and starts the session, or neither. Rows: one if it did. */
export function useLink(
  userId: string,
  secretHash: string,
  { sessionId, publicKey, name }: NewSession,
): Statement {
  return {
    text: `with used as (
             update mana_auth.sign_in_links set used_at = now()
             where user_id = $1 and secret_hash = $2 and used_at is null and expires_at > now() returning user_id
           )
           insert into mana_auth.sessions (user_id, session_id, public_key, name)
           select user_id, $3, $4::jsonb, $5 from used returning session_id`,
    values: [userId, secretHash, sessionId, JSON.stringify(publicKey), name],
  };
}

/** Uses a challenge up and starts the session, or neither. Rows: one if it did. */
export function useChallenge(
  userId: string,
  { challenge, endsAt }: { challenge: string; endsAt: string },
  { sessionId, publicKey, name }: NewSession,
): Statement {
  return {
    text: `with used as (
             insert into mana_auth.answered_challenges (user_id, challenge, expires_at)
             values ($1, $2, $3::timestamptz) on conflict do nothing returning user_id
           )
           insert into mana_auth.sessions (user_id, session_id, public_key, name)
           select user_id, $4, $5::jsonb, $6 from used returning session_id`,
    values: [userId, challenge, endsAt, sessionId, JSON.stringify(publicKey), name],
  };
}

/** Ends the sessions beyond the most that one person may have. */
export function endOldestSessions(userId: string): Statement {
  return {
    text: `delete from mana_auth.sessions where user_id = $1 and session_id in (
             select session_id from mana_auth.sessions where user_id = $1
             order by last_used_at desc, session_id offset $2::int)`,
    values: [userId, MOST_SESSIONS],
  };
}

/** Rows: `public_key` of a session that has not ended. */
export function selectSessionKey(userId: string, sessionId: string): Statement {
  return {
    text: `select public_key::text as public_key from mana_auth.sessions
           where user_id = $1 and session_id = $2 and last_used_at > now() - interval '30 days'`,
    values: [userId, sessionId],
  };
}

/** Notes a proof. Rows: one, unless the session has ended or has seen this proof or a later one. */
export function noteProof(userId: string, sessionId: string, atMs: number): Statement {
  return {
    text: `update mana_auth.sessions set last_proof_at = $3::bigint, last_used_at = now()
           where user_id = $1 and session_id = $2 and last_proof_at < $3::bigint
             and last_used_at > now() - interval '30 days' returning session_id`,
    values: [userId, sessionId, atMs],
  };
}

export type ListedSession = {
  sessionId: string;
  name: string;
  createdAt: string;
  lastUsedAt: string;
};

export function selectSessions(userId: string): Statement {
  return {
    text: `select session_id, name, ${iso('created_at')}, ${iso('last_used_at')} from mana_auth.sessions s
           where user_id = $1 and s.last_used_at > now() - interval '30 days' order by s.last_used_at desc, session_id`,
    values: [userId],
  };
}

export function listedSessionOf(row: Row): ListedSession {
  return {
    sessionId: row['session_id'] ?? '',
    name: row['name'] ?? '',
    createdAt: row['created_at'] ?? '',
    lastUsedAt: row['last_used_at'] ?? '',
  };
}

/** Rows: one if the user has this session. */
export function endSession(userId: string, sessionId: string): Statement {
  return {
    text: 'delete from mana_auth.sessions where user_id = $1 and session_id = $2 returning session_id',
    values: [userId, sessionId],
  };
}

/**
 * Ends all of a person's sessions but the named one, and the links that are open. Rows: the
 * sessions that ended.
 */
export function endSessionsBut(userId: string, kept: string | null): Statement {
  return {
    text: `with closed as (
             update mana_auth.sign_in_links set used_at = now() where user_id = $1 and used_at is null returning 1
           )
           delete from mana_auth.sessions where user_id = $1 and session_id is distinct from $2 returning session_id`,
    values: [userId, kept],
  };
}

export type StoredPasskey = {
  credentialId: string;
  publicKey: string;
  counter: number;
  transports: string[];
};

export function selectPasskey(userId: string, credentialId: string): Statement {
  return {
    text: `select credential_id, public_key, counter::text as counter, transports::text as transports
           from mana_auth.passkeys where user_id = $1 and credential_id = $2`,
    values: [userId, credentialId],
  };
}

export function storedPasskeyOf(row: Row | undefined): StoredPasskey | null {
  if (row === undefined) return null;
  return {
    credentialId: row['credential_id'] ?? '',
    publicKey: row['public_key'] ?? '',
    counter: Number(row['counter']),
    transports: JSON.parse(row['transports'] ?? '[]') as string[],
  };
}

/** Keeps a passkey and uses its challenge up, or neither. Rows: one if it did. */
export function insertPasskey(
  userId: string,
  { challenge, endsAt }: { challenge: string; endsAt: string },
  { credentialId, publicKey, counter, transports, name }: StoredPasskey & { name: string },
): Statement {
  return {
    text: `with used as (
             insert into mana_auth.answered_challenges (user_id, challenge, expires_at)
             values ($1, $2, $3::timestamptz) on conflict do nothing returning user_id
           )
           insert into mana_auth.passkeys (user_id, credential_id, public_key, counter, transports, name)
           select user_id, $4, $5, $6::bigint, $7::jsonb, $8 from used
           where (select count(*) from mana_auth.passkeys where user_id = $1) < $9::int
           on conflict do nothing returning credential_id, ${iso('created_at')}`,
    values: [
      userId,
      challenge,
      endsAt,
      credentialId,
      publicKey,
      counter,
      JSON.stringify(transports),
      name,
      MOST_PASSKEYS,
    ],
  };
}

export function notePasskeyUse(userId: string, credentialId: string, counter: number): Statement {
  return {
    text: `update mana_auth.passkeys set counter = $3::bigint, last_used_at = now()
           where user_id = $1 and credential_id = $2`,
    values: [userId, credentialId, counter],
  };
}

export type ListedPasskey = {
  credentialId: string;
  name: string;
  createdAt: string;
  lastUsedAt?: string;
  unlocks: boolean;
};

export function selectPasskeys(userId: string): Statement {
  return {
    text: `select credential_id, name, ${iso('created_at')}, ${iso('last_used_at')},
             (${WRAP_OPENS})::text as unlocks
           from mana_auth.passkeys p where user_id = $1 order by p.created_at, credential_id`,
    values: [userId],
  };
}

/**
 * A wrap is of the master key that the recovery code of its time opened: with another recovery
 * code, or none, it is not given out.
 */
const WRAP_OPENS = `p.wrap_set_at is not null and exists (
  select from mana_auth.vault v where v.user_id = p.user_id and v.recovery_set_at <= p.wrap_set_at)`;

export function listedPasskeyOf(row: Row): ListedPasskey {
  const lastUsedAt = row['last_used_at'] ?? null;
  return {
    credentialId: row['credential_id'] ?? '',
    name: row['name'] ?? '',
    createdAt: row['created_at'] ?? '',
    ...(lastUsedAt === null ? {} : { lastUsedAt }),
    unlocks: row['unlocks'] === 'true',
  };
}

/** Rows: one if the user had this passkey. */
export function removePasskey(userId: string, credentialId: string): Statement {
  return {
    text: 'delete from mana_auth.passkeys where user_id = $1 and credential_id = $2 returning credential_id',
    values: [userId, credentialId],
  };
}

/** Keeps a passkey's wrap where there is a recovery code beside it. Rows: one if it is kept. */
export function setPasskeyWrap(
  userId: string,
  credentialId: string,
  { iv, wrapped }: { iv: string; wrapped: string },
): Statement {
  return {
    text: `update mana_auth.passkeys set wrap_iv = $3, wrapped_mk = $4, wrap_set_at = clock_timestamp()
           where user_id = $1 and credential_id = $2
             and exists (select from mana_auth.vault where user_id = $1 and recovery_wrapped_mk is not null)
           returning credential_id`,
    values: [userId, credentialId, iv, wrapped],
  };
}

export type PasskeyWrap = { credentialId: string; iv: string; wrapped: string };

/** Rows: the wraps that open the master key of now. */
export function selectWraps(userId: string): Statement {
  return {
    text: `select credential_id, wrap_iv, wrapped_mk from mana_auth.passkeys p
           where user_id = $1 and ${WRAP_OPENS} order by p.created_at, credential_id`,
    values: [userId],
  };
}

export function wrapOf(row: Row): PasskeyWrap {
  return {
    credentialId: row['credential_id'] ?? '',
    iv: row['wrap_iv'] ?? '',
    wrapped: row['wrapped_mk'] ?? '',
  };
}
