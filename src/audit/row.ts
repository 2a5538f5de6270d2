export const AUDIT_KINDS = ['attempt', 'outcome', 'checkpoint'] as const;
export const AUDIT_STATUSES = ['pending', 'ok', 'failed', 'scope-violation'] as const;

export type AuditKind = (typeof AUDIT_KINDS)[number];
export type AuditStatus = (typeof AUDIT_STATUSES)[number];

/** How an attempt to open a record ended. */
export type OutcomeStatus = Exclude<AuditStatus, 'pending'>;

/**
 * A row of a user's audit before it is hashed. Before a run opens any record, it writes an
 * `attempt` (status 'pending') for each; afterwards it writes an `outcome` with the same mission,
 * iteration and record. A `checkpoint` stands for all rows up to its seq, which retention removed;
 * its names are null.
 */
export type AuditContent = {
  /** 1 for a user's first row; no number is skipped */
  seq: number;
  kind: AuditKind;
  missionId: string | null;
  iterationId: string | null;
  tableName: string | null;
  recordId: string | null;
  status: AuditStatus;
  /** why an outcome is not 'ok' */
  reason: string | null;
  /** ISO-8601 in UTC with milliseconds */
  ts: string;
};

/**
 * A row of the chain, as the API shows it. `prevHash` is '' in a user's first row and in a
 * checkpoint.
 */
export type AuditRow = AuditContent & { prevHash: string; hash: string };

/**
 * The last row of a chain. Whoever knows it can tell whether the chain was cut short or rewritten.
 */
export type AuditHead = { seq: number; hash: string };

/** The head of an empty chain. */
export const EMPTY_CHAIN: AuditHead = { seq: 0, hash: '' };

/**
 * A page of the audit, oldest rows first. `next` is the `after` of the page that follows; the last
 * page has none.
 */
export type AuditPage = { userId: string; rows: AuditRow[]; head: AuditHead; next?: number };
