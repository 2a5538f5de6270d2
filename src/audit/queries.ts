import type { Row, Statement } from '../postgres/port.ts';
import { AUDIT_KINDS, AUDIT_STATUSES, type AuditHead, type AuditRow } from './row.ts';

/** The most rows on a page of the API. */
export const MOST_PAGE_ROWS = 500;

/** `after` asks for the rows with a greater seq; 0 starts at the beginning. */
export type AuditQuery = { missionId: string | null; limit: number; after: number };

const COLUMNS = `seq::text as seq, kind, mission_id, iteration_id, table_name, record_id, status, reason, ts, prev_hash, hash`;

/** A row that is about to be written. `attemptSeq` is null in every row but an outcome. */
export type NewAuditRow = AuditRow & { attemptSeq: number | null };

/**
 * Appends all rows if the log still ends in `logHead`; otherwise none, and no row comes back. If
 * two writers saw the same head, they meet at the primary key and one gets SQLSTATE 23505.
 */
export function appendRows(
  userId: string,
  logHead: AuditHead,
  rows: readonly NewAuditRow[],
): Statement {
  return {
    text: `
      with log_head as (
        select seq, hash from mana_ai.decrypt_audit where user_id = $1 order by seq desc limit 1
      )
      insert into mana_ai.decrypt_audit (user_id, seq, kind, mission_id, iteration_id, table_name, record_id, status, reason, ts,
        attempt_seq, prev_hash, hash)
      select $1, r."seq", r."kind", r."missionId", r."iterationId", r."tableName", r."recordId", r."status", r."reason", r."ts",
        r."attemptSeq", r."prevHash", r."hash"
      from jsonb_to_recordset($2::jsonb) as r("seq" bigint, "kind" text, "missionId" text, "iterationId" text, "tableName" text,
        "recordId" text, "status" text, "reason" text, "ts" text, "attemptSeq" bigint, "prevHash" text, "hash" text)
      where coalesce((select seq from log_head), 0) = $3::bigint and coalesce((select hash from log_head), '') = $4
      order by r."seq"
      returning seq::text as seq`,
    values: [userId, JSON.stringify(rows), logHead.seq, logHead.hash],
  };
}

/** Rows from `seq` on, oldest first, at most `limit`. */
export function selectRowsFrom(userId: string, seq: number, limit: number): Statement {
  return {
    text: `select ${COLUMNS} from mana_ai.decrypt_audit where user_id = $1 and decrypt_audit.seq >= $2::bigint
      order by decrypt_audit.seq limit $3::int`,
    values: [userId, seq, limit],
  };
}

/** The newest row; no row if nothing was audited yet. */
export function selectNewestRow(userId: string): Statement {
  return {
    text: `select ${COLUMNS} from mana_ai.decrypt_audit where user_id = $1 order by decrypt_audit.seq desc limit 1`,
    values: [userId],
  };
}

/** A page, and one row more if another page follows. */
export function selectPage(userId: string, { missionId, limit, after }: AuditQuery): Statement {
  return {
    text: `select ${COLUMNS} from mana_ai.decrypt_audit
      where user_id = $1 and decrypt_audit.seq > $2::bigint and ($3::text is null or mission_id = $3)
      order by decrypt_audit.seq limit $4::int + 1`,
    values: [userId, after, missionId, limit],
  };
}

/**
 * Reads a row that the statements above select.
 * @throws Error if the SELECT list is wrong
 */
export function parseAuditRow(raw: Row): AuditRow {
  return {
    seq: Number(text(raw, 'seq')),
    kind: oneOf(AUDIT_KINDS, text(raw, 'kind')),
    missionId: raw['mission_id'] ?? null,
    iterationId: raw['iteration_id'] ?? null,
    tableName: raw['table_name'] ?? null,
    recordId: raw['record_id'] ?? null,
    status: oneOf(AUDIT_STATUSES, text(raw, 'status')),
    reason: raw['reason'] ?? null,
    ts: text(raw, 'ts'),
    prevHash: text(raw, 'prev_hash'),
    hash: text(raw, 'hash'),
  };
}

function text(raw: Row, column: string): string {
  const value = raw[column];
  if (typeof value !== 'string') throw new Error(`audit row: column ${column} is missing`);
  return value;
}

function oneOf<const T extends string>(allowed: readonly T[], value: string): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw new Error('audit row: a value that the table does not allow');
  return found;
}
