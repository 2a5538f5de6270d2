import { formatRecordRef, type GrantReason, openRecord } from '../src/grants/index.ts';
import type { InputSource } from '../src/inputs/index.ts';
import type { Database, Row, Statement } from '../src/postgres/port.ts';
import { parseChangeRow } from '../src/sync/change-row.ts';
import { applyRow, isAlive, readRecord, type RecordState } from '../src/sync/merge.ts';
import { selectRecordChanges } from '../src/sync/queries.ts';
import { metrics } from '../src/telemetry/metrics.ts';
import type { Attempt, AuditContext, AuditLog, Outcome } from './audit-log.ts';
import type { RunScope } from './run-scope.ts';

/** A living record as the log has it: encrypted fields are still ciphertext. */
export type FoundRecord = { source: InputSource; record: Record<string, unknown> };

export type Opening = { ok: true; record: Record<string, unknown> } | { ok: false; reason: GrantReason };

/** The person's records that a run reads: found in the log, and opened under its grant, each opening audited. */
export class RunRecords {
  readonly #userId: string;
  readonly #database: Database;
  readonly #audit: AuditLog;
  readonly #scope: RunScope;
  readonly #context: AuditContext;

  constructor(options: {
    userId: string;
    database: Database;
    audit: AuditLog;
    scope: RunScope;
    context: AuditContext;
  }) {
    this.#userId = options.userId;
    this.#database = options.database;
    this.#audit = options.audit;
    this.#scope = options.scope;
    this.#context = options.context;
  }

  /** Those of the sources that exist. @throws PostgresError */
  async find(sources: readonly InputSource[]): Promise<FoundRecord[]> {
    const found: FoundRecord[] = [];
    for (const source of sources) {
      const record = await this.#read(source);
      if (record !== null) found.push({ source, record });
    }
    return found;
  }

  /**
   * Opens records, in their order; those that need no grant are passed through. The attempts stand in the audit before the first key is
   * used, the outcomes after the last.
   * @throws PostgresError, AuditError: then nothing that was opened may be used
   */
  async open(found: readonly FoundRecord[]): Promise<Opening[]> {
    const guarded = found.filter(({ source }) => source.needsGrant);
    const openings = new Map<FoundRecord, Opening>();
    const attempts = await this.#attempt(guarded);
    for (const entry of guarded) openings.set(entry, await this.#openOne(entry));
    await this.#audit.outcomes(outcomesOf(attempts, [...openings.values()]));
    for (const [{ source }, opening] of openings) count(source.tableName, opening);
    return found.map((entry) => openings.get(entry) ?? { ok: true, record: entry.record });
  }

  /** Without a grant nothing is attempted, so there is nothing to audit either. */
  async #attempt(guarded: readonly FoundRecord[]): Promise<Attempt[]> {
    if (this.#scope.grant === null && this.#scope.refusal === null) return [];
    const records = guarded.map(({ source: { tableName, recordId } }) => ({ tableName, recordId }));
    return this.#audit.attempts(records, this.#context);
  }

  async #openOne({ source: { tableName, recordId }, record }: FoundRecord): Promise<Opening> {
    const { grant, refusal } = this.#scope;
    if (grant === null) return { ok: false, reason: refusal ?? 'not-configured' };
    const ref = { tableName, recordId };
    const keys = grant.keys.get(formatRecordRef(ref));
    if (keys === undefined) return { ok: false, reason: 'not-covered' };
    const opened = await openRecord({ keys, ref, record });
    return opened.ok ? opened : { ok: false, reason: opened.reason };
  }

  async #read({ appId, tableName, recordId }: InputSource): Promise<Record<string, unknown> | null> {
    const rows = await this.#query(selectRecordChanges(this.#userId, appId, tableName, recordId));
    let state: RecordState | null = null;
    for (const row of rows) state = applyRow(state, parseChangeRow(row)).state;
    return state !== null && isAlive(state) ? readRecord(state, recordId) : null;
  }

  async #query(statement: Statement): Promise<readonly Row[]> {
    const request = { role: 'mana_ai_runner', userId: this.#userId, statements: [statement] } as const;
    const [rows] = await this.#database.transaction(request);
    return rows ?? [];
  }
}

function outcomesOf(attempts: readonly Attempt[], openings: readonly Opening[]): Outcome[] {
  return attempts.flatMap((attempt, index): Outcome[] => {
    const opening = openings[index];
    if (opening === undefined) return [];
    if (opening.ok) return [{ attempt, status: 'ok', reason: null }];
    const status = opening.reason === 'not-covered' ? 'scope-violation' : 'failed';
    return [{ attempt, status, reason: opening.reason }];
  });
}

function count(table: string, opening: Opening): void {
  if (opening.ok) return metrics.decrypts.inc({ table });
  metrics.grantSkips.inc({ reason: opening.reason });
  if (opening.reason === 'not-covered') metrics.grantScopeViolations.inc({ table });
}
