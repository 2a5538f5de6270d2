import { base64url } from 'jose';
import { canonicalJson } from '../values/canonical-json.ts';
import type { AuditContent, AuditHead, AuditRow } from './row.ts';

/**
 * A value has no place in canonical JSON. This is a bug of ours: whoever writes a row cleans its
 * texts before.
 */
export class CanonicalJsonError extends Error {
  override name = 'CanonicalJsonError';
  readonly code = 'NOT_CANONICAL';
}

/**
 * RFC 8785 for an array of texts, integers and null. Refuses what the RFC refuses, lone surrogates,
 * and numbers that a double cannot hold.
 * @throws CanonicalJsonError
 */
export function canonicalArray(items: readonly (string | number | null)[]): string {
  for (const item of items) {
    const fits =
      typeof item === 'string' ? item.isWellFormed() : item === null || Number.isSafeInteger(item);
    if (!fits)
      throw new CanonicalJsonError(
        'canonical JSON takes well-formed texts, safe integers and null',
      );
  }
  return canonicalJson(items);
}

/**
 * The hash of a row: base64url without padding (43 characters) of the SHA-256 of the UTF-8 bytes of
 * the RFC 8785 JSON of [prevHash, seq, userId, missionId, iterationId, tableName, recordId, kind,
 * status, reason, ts]. It is not for checkpoints: a checkpoint carries the hash of the last row
 * that it replaces.
 * @throws CanonicalJsonError
 */
export async function rowHash(
  userId: string,
  prevHash: string,
  row: AuditContent,
): Promise<string> {
  const { seq, missionId, iterationId, tableName, recordId, kind, status, reason, ts } = row;
  const text = canonicalArray([
    prevHash,
    seq,
    userId,
    missionId,
    iterationId,
    tableName,
    recordId,
    kind,
    status,
    reason,
    ts,
  ]);
  return base64url.encode(
    new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))),
  );
}

/** Gives rows their seq and hash, as they continue a chain that ends in `head`. */
export async function chainRows(
  userId: string,
  head: AuditHead,
  contents: readonly Omit<AuditContent, 'seq'>[],
): Promise<AuditRow[]> {
  const rows: AuditRow[] = [];
  let last = head;
  for (const content of contents) {
    const placed: AuditContent = { ...content, seq: last.seq + 1 };
    const hash = await rowHash(userId, last.hash, placed);
    rows.push({ ...placed, prevHash: last.hash, hash });
    last = { seq: placed.seq, hash };
  }
  return rows;
}
