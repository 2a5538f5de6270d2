import { decodeBase64url } from './bytes.ts';
import { isRecordName, isSortedScope, MISSIONS_TABLE, parseRecordRef } from './names.ts';

export const GRANT_ISSUER = 'mana-auth';
export const GRANT_AUDIENCE = 'mana-ai';

/** How long a grant may live, in seconds; `usual` if the person names no time. */
export const GRANT_LIFETIME_SEC = {
  usual: 7 * 86_400,
  shortest: 3_600,
  longest: 30 * 86_400,
} as const;
export const MOST_RECORDS = 1_000;
const HASH_BYTES = 32;

/** What a grant says. Times are whole seconds since 1970-01-01 UTC. */
export type GrantClaims = {
  iss: typeof GRANT_ISSUER;
  aud: typeof GRANT_AUDIENCE;
  /** the person */
  sub: string;
  /** the grant's id */
  jti: string;
  iat: number;
  nbf: number;
  exp: number;
  /** the mission's id */
  mission: string;
  /** `table:id`, sorted by code units, each once, without any mission */
  records: string[];
  /** 'local': never sent to a remote model */
  llm: 'any' | 'local';
  /** true: the mission's texts and iterations must be ciphertext; absent is false */
  sealed?: boolean;
  /** base64url SHA-256 of the text of the JWE with the keys */
  keysHash: string;
};

/** The lifetime in seconds of a grant for which a person asked `ttlMs`. */
export function grantLifetimeSec(ttlMs?: number): number {
  const { usual, shortest, longest } = GRANT_LIFETIME_SEC;
  if (ttlMs === undefined || Number.isNaN(ttlMs)) return usual;
  return Math.min(Math.max(Math.floor(ttlMs / 1000), shortest), longest);
}

/**
 * The claims of a grant, all of them required; null if one is missing or wrong. Other claims are
 * dropped (RFC 7519, section 4: what is not understood is ignored). Whose grant it is and whether
 * it is valid now is not judged here.
 */
export function readGrantClaims(value: Record<string, unknown>): GrantClaims | null {
  if (!areGrantClaims(value)) return null;
  const { iss, aud, sub, jti, iat, nbf, exp, mission, records, llm, sealed, keysHash } = value;
  const claims = { iss, aud, sub, jti, iat, nbf, exp, mission, records, llm, keysHash };
  return sealed === undefined ? claims : { ...claims, sealed };
}

function areGrantClaims(value: Record<string, unknown>): value is GrantClaims {
  const { iss, aud, sub, jti, mission, records, llm, keysHash } = value;
  return (
    iss === GRANT_ISSUER &&
    aud === GRANT_AUDIENCE &&
    [sub, jti, mission].every(isRecordName) &&
    areTimes(value) &&
    isScope(records) &&
    (llm === 'any' || llm === 'local') &&
    (value['sealed'] === undefined || typeof value['sealed'] === 'boolean') &&
    isHash(keysHash)
  );
}

function isHash(text: unknown): boolean {
  return typeof text === 'string' && decodeBase64url(text)?.length === HASH_BYTES;
}

function areTimes({ iat, nbf, exp }: Record<string, unknown>): boolean {
  if (!isSeconds(iat) || !isSeconds(nbf) || !isSeconds(exp)) return false;
  return iat < exp && exp - iat <= GRANT_LIFETIME_SEC.longest;
}

export function isSeconds(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isScope(records: unknown): records is string[] {
  if (!Array.isArray(records) || records.length > MOST_RECORDS) return false;
  return records.every(mayBeGranted) && isSortedScope(records as string[]);
}

function mayBeGranted(record: unknown): boolean {
  const ref = parseRecordRef(record);
  return ref !== null && ref.tableName !== MISSIONS_TABLE;
}
