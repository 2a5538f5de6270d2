import { outcomeStatus } from '../../src/audit/outcome.ts';
import {
  type InputSource,
  isBlockOf,
  type OpenedInput,
  openInput,
  TIME_BLOCKS,
  timeBlockId,
  withTimes,
} from '../../src/inputs/index.ts';
import type { Database } from '../../src/postgres/port.ts';
import { applyRow, isAlive, readRecord, type RecordState } from '../../src/sync/merge.ts';
import {
  selectRecordChanges,
  selectRecordIds,
  selectRecordMarks,
  selectTimeBlockIds,
} from '../../src/sync/queries.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import type { Attempt, AuditContext, AuditLog, Outcome } from '../opening/audit-log.ts';
import { LogReader } from '../projection/log-reader.ts';
import type { RunScope } from './scope.ts';

/** A living record as the log has it: encrypted fields are still ciphertext. */
export type FoundRecord = { source: InputSource; record: Record<string, unknown> };

/** How the log stood for each record when a run read it, by the record's place. Plain JSON. */
export type ReadMarks = Record<string, ReadMark>;
type ReadMark = { there: boolean; mark: string };

/** What became of the records that a run has read. 'gone': one that was there is deleted by now. */
export type RecordsChange = 'none' | 'changed' | 'gone';

/** A list shows this many records at most. */
const MOST_OF_A_TABLE = 50;

/**
 * The person's records that a run reads: found in the log, and opened under its grant, each opening
 * audited.
 */
export class RunRecords {
  readonly #userId: string;
  readonly #log: LogReader;
  readonly #audit: AuditLog;
  readonly #scope: RunScope;
  readonly #context: AuditContext;
  readonly #marks: Map<string, ReadMark>;

  constructor(options: {
    userId: string;
    database: Database;
    audit: AuditLog;
    scope: RunScope;
    context: AuditContext;
    /** of what earlier turns of this run have read */
    marks?: ReadMarks;
  }) {
    this.#userId = options.userId;
    this.#log = new LogReader(options);
    this.#audit = options.audit;
    this.#scope = options.scope;
    this.#context = options.context;
    this.#marks = new Map(Object.entries(options.marks ?? {}));
  }

  /** Of all records that the run has read by now. */
  get marks(): ReadMarks {
    return Object.fromEntries(this.#marks);
  }

  /** What happened since to the records that the run has read; told once. @throws PostgresError */
  async change(): Promise<RecordsChange> {
    const read = [...this.#marks];
    if (read.length === 0) return 'none';
    const rows = await this.#log.query(
      selectRecordMarks(
        this.#userId,
        read.map(([place]) => sourceAt(place)),
      ),
    );
    const changed = read.filter(([, { mark }], index) => rows[index]?.['mark'] !== mark);
    for (const [place, { there }] of changed) {
      const source = sourceAt(place);
      if ((await this.#read(source)) === null && there) return 'gone';
    }
    return changed.length === 0 ? 'none' : 'changed';
  }

  /** The living records among the sources, in their order. @throws PostgresError */
  async find(sources: readonly InputSource[]): Promise<FoundRecord[]> {
    const found: FoundRecord[] = [];
    for (const source of sources) {
      const record = await this.#read(source);
      if (record !== null) found.push({ source, record: await this.#complete(source, record) });
    }
    return found;
  }

  /**
   * The records of a table that is in plain text: those that changed last. @throws PostgresError
   */
  async findAll(table: { appId: string; tableName: string }): Promise<FoundRecord[]> {
    const rows = await this.#log.query(
      selectRecordIds({ ...table, userId: this.#userId }, MOST_OF_A_TABLE),
    );
    return this.find(
      rows.map((row) => ({ ...table, recordId: row['record_id'] ?? '', needsGrant: false })),
    );
  }

  /**
   * Opens records, in their order. Records that need no grant are passed through. The attempts are
   * in the audit before the first key is used, the outcomes after the last.
   * @throws PostgresError, AuditError: then nothing that was opened may be used
   */
  async open(found: readonly FoundRecord[]): Promise<OpenedInput[]> {
    const guarded = found.filter(({ source }) => source.needsGrant);
    const openings = new Map<FoundRecord, OpenedInput>();
    const attempts = await this.#attempt(guarded);
    for (const entry of guarded) openings.set(entry, await this.#openOne(entry));
    await this.#audit.outcomes(outcomesOf(attempts, [...openings.values()]));
    for (const [{ source }, opening] of openings) count(source.tableName, opening);
    return found.map((entry) => openings.get(entry) ?? { ok: true, record: entry.record });
  }

  /** A mission without a grant attempts nothing, so there is nothing to audit. */
  async #attempt(guarded: readonly FoundRecord[]): Promise<Attempt[]> {
    if (this.#scope.grant === null && this.#scope.refusal === null) return [];
    const records = guarded.map(({ source: { tableName, recordId } }) => ({ tableName, recordId }));
    return this.#audit.attempts(records, this.#context);
  }

  async #openOne({ source, record }: FoundRecord): Promise<OpenedInput> {
    const { grant, refusal } = this.#scope;
    if (grant === null) return { ok: false, reason: refusal ?? 'not-configured' };
    return openInput({ source, record, keys: grant.keys });
  }

  /** An event with its times, which stand in another record. They are part of the event: who shares it shares them, and no word of that record. */
  async #complete(
    { appId, tableName, recordId }: InputSource,
    record: Record<string, unknown>,
  ): Promise<Record<string, unknown>> {
    if (appId !== 'calendar' || tableName !== 'events') return record;
    const block = await this.#timeBlock(recordId, timeBlockId(record));
    return block === null ? record : withTimes(record, block);
  }

  async #timeBlock(
    eventId: string,
    blockId: string | null,
  ): Promise<Record<string, unknown> | null> {
    const named = blockId === null ? null : await this.#read({ ...TIME_BLOCKS, recordId: blockId });
    if (named !== null) return named;
    const rows = await this.#log.query(selectTimeBlockIds(this.#userId, eventId));
    for (const { record_id: recordId } of rows) {
      const block = await this.#read({ ...TIME_BLOCKS, recordId: recordId ?? '' });
      if (block !== null && isBlockOf(block, eventId)) return block;
    }
    return null;
  }

  async #read({
    appId,
    tableName,
    recordId,
  }: Omit<InputSource, 'needsGrant'>): Promise<Record<string, unknown> | null> {
    const record = { userId: this.#userId, appId, tableName, recordId };
    let state: RecordState | null = null;
    let rowCount = 0;
    let newest = '';
    for await (const row of this.#log.changes((cursor) => selectRecordChanges(record, cursor))) {
      state = applyRow(state, row).state;
      rowCount += 1;
      if (row.createdAt > newest) newest = row.createdAt;
    }
    const found = state !== null && isAlive(state) ? readRecord(state, recordId) : null;
    const mark = { there: found !== null, mark: `${rowCount} ${newest}` };
    this.#marks.set(placeOf({ appId, tableName, recordId }), mark);
    return found;
  }
}

type Place = Pick<InputSource, 'appId' | 'tableName' | 'recordId'>;

function placeOf({ appId, tableName, recordId }: Place): string {
  return JSON.stringify([appId, tableName, recordId]);
}

function sourceAt(place: string): InputSource {
  const [appId, tableName, recordId] = JSON.parse(place) as [string, string, string];
  return { appId, tableName, recordId, needsGrant: true };
}

function outcomesOf(attempts: readonly Attempt[], openings: readonly OpenedInput[]): Outcome[] {
  return attempts.flatMap((attempt, index): Outcome[] => {
    const opening = openings[index];
    if (opening === undefined) return [];
    const reason = opening.ok ? null : opening.reason;
    return [{ attempt, status: outcomeStatus(reason), reason }];
  });
}

function count(table: string, opening: OpenedInput): void {
  if (opening.ok) return metrics.decrypts.inc({ table });
  metrics.grantSkips.inc({ reason: opening.reason });
  if (opening.reason === 'not-covered') metrics.grantScopeViolations.inc({ table });
}
