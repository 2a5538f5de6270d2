import { base64url } from 'jose';
import type { AuditContent, AuditHead, AuditRow } from './row.ts';

/** A value that cannot stand in canonical JSON: our own bug, the writer has to clean its texts before. */
export class CanonicalJsonError extends Error {
  override name = 'CanonicalJsonError';
  readonly code = 'NOT_CANONICAL';
}

/**
 * RFC 8785 for an array of texts, integers and null. There it is what JSON.stringify writes (the RFC takes numbers and escapes from ECMAScript;
 * sorting concerns objects alone), once what the RFC refuses is refused: lone surrogates, and numbers that JSON or a double cannot hold.
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
  return JSON.stringify(items);
}

/**
 * The hash of a row: base64url without padding (43 characters) of the SHA-256 of the UTF-8 bytes of the RFC 8785 JSON of
 * [prevHash, seq, userId, missionId, iterationId, tableName, recordId, kind, status, reason, ts]. Not for checkpoints: theirs is the hash of
 * the last row that they replace.
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

/** Rows without a place of their own yet, appended to a chain that ends in `head`. */
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
