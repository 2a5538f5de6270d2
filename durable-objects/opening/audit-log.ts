import { chainRows, rowHash } from '../../src/audit/hash.ts';
import {
  appendRows,
  type AuditQuery,
  type NewAuditRow,
  parseAuditRow,
  selectNewestRow,
  selectPage,
  selectRowsFrom,
} from '../../src/audit/queries.ts';
import {
  type AuditContent,
  type AuditHead,
  type AuditPage,
  type AuditRow,
  EMPTY_CHAIN,
  type OutcomeStatus,
} from '../../src/audit/row.ts';
import { PostgresError } from '../../src/postgres/errors.ts';
import { ask } from '../../src/postgres/one-statement.ts';
import type { Database, Row, Statement } from '../../src/postgres/port.ts';
import { createLogger } from '../../src/telemetry/logs.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import { WorkQueue } from '../life/work-queue.ts';

/**
 * Where the object keeps the head of its chain, in its own storage. Both methods are one
 * synchronous step.
 */
export type HeadStore = { read(): AuditHead | null; write(head: AuditHead): void };

/** A page of the audit. `code`: why PostgreSQL could not be asked. */
export type AuditAnswer = { ok: true; page: AuditPage } | { ok: false; code: string };

/** The run on whose behalf records are opened. */
export type AuditContext = { missionId: string; iterationId: string };

export type AuditedRecord = { tableName: string; recordId: string };

/** An attempt that stands in the log. Its outcome is written by `outcomes`. */
export type Attempt = AuditContext & AuditedRecord & { seq: number };

/** `reason` says why a record was not opened (design: "Reasons"); null for 'ok'. */
export type Outcome = { attempt: Attempt; status: OutcomeStatus; reason: string | null };

/**
 * Somebody else kept writing to this user's chain. Nothing was written, so nothing may be opened.
 */
export class AuditError extends Error {
  override name = 'AuditError';
  readonly code = 'AUDIT_BUSY';
  constructor() {
    super('the audit could not be written: its head moved each time');
  }
}

export type AuditLogOptions = { userId: string; database: Database; head: HeadStore };

type NewContent = Omit<AuditContent, 'seq'> & { attemptSeq: number | null };

/**
 * Where the next row goes. `log`: the last row in PostgreSQL; `chain`: the row that ours continues.
 * They differ only if the log was changed or restored.
 */
type Place = { log: AuditHead; chain: AuditHead };

/**
 * One object writes a user's chain. A second writer is rare: a process that is about to end, for
 * one.
 */
const MOST_TRIES = 10;
const READ_ROWS = 1_000;
const UNIQUE_VIOLATION = '23505';
/**
 * The longest id that PostgreSQL and canonical JSON hold; a record with a longer one cannot be
 * opened anyway.
 */
const LONGEST_NAME = 256;

/**
 * The audit of one user, written through the user's object. Attempts are in PostgreSQL before
 * anything is opened. If a method throws, nothing may be opened, and what was opened may not be
 * used.
 *
 * The chain's head is kept in the object and in the log itself. A row is appended only if the log
 * still ends with our head. If it does not, the rows above our head are read. If they continue our
 * head (after a crash behind the INSERT, or another writer), the chain goes on from them. If they
 * do not, or if the log is shorter than our head, somebody cut or rewrote it, or restored a backup.
 * Then our next row is placed above everything that is there and names our own head as its
 * predecessor, so that every later verification shows the break. A break is never mended in
 * silence.
 *
 * If a run is cut off between an attempt and its outcome, the attempt stays pending: nobody knows
 * whether the record was opened.
 */
export class AuditLog {
  readonly #userId: string;
  readonly #database: Database;
  readonly #head: HeadStore;
  readonly #log = createLogger({ component: 'audit-log' });
  /** Runs of one user write to the chain one after the other. */
  readonly #queue = new WorkQueue();

  constructor({ userId, database, head }: AuditLogOptions) {
    this.#userId = userId;
    this.#database = database;
    this.#head = head;
  }

  /**
   * Writes one attempt per record, all in one INSERT, in the order given.
   * @throws PostgresError, AuditError: then none of the records may be opened
   */
  async attempts(records: readonly AuditedRecord[], context: AuditContext): Promise<Attempt[]> {
    const rows = await this.#append(
      records.map(({ tableName, recordId }) => ({
        kind: 'attempt',
        missionId: storable(context.missionId),
        iterationId: storable(context.iterationId),
        tableName: storable(tableName),
        recordId: storable(recordId),
        status: 'pending',
        reason: null,
        attemptSeq: null,
      })),
    );
    return records.map((record, index) => {
      const seq = rows[index]?.seq;
      if (seq === undefined) throw new AuditError();
      return { ...context, tableName: record.tableName, recordId: record.recordId, seq };
    });
  }

  /**
   * Writes what became of attempts, all in one INSERT. Each attempt has one outcome.
   * @throws PostgresError, AuditError: then what was opened may not be used
   */
  async outcomes(outcomes: readonly Outcome[]): Promise<void> {
    await this.#append(
      outcomes.map(({ attempt, status, reason }) => ({
        kind: 'outcome',
        missionId: storable(attempt.missionId),
        iterationId: storable(attempt.iterationId),
        tableName: storable(attempt.tableName),
        recordId: storable(attempt.recordId),
        status,
        reason,
        attemptSeq: attempt.seq,
      })),
    );
  }

  /**
   * A page of the log. Its head is the object's own, so that a log which was cut short shows.
   * @throws PostgresError
   */
  async page(query: AuditQuery): Promise<AuditPage> {
    return this.#queue.run(async () => {
      const { chain } = await this.#place();
      const found = (await this.#query(selectPage(this.#userId, query))).map(parseAuditRow);
      const rows = found.slice(0, query.limit);
      const last = rows.at(-1);
      const page = { userId: this.#userId, rows, head: chain };
      return found.length > query.limit && last !== undefined ? { ...page, next: last.seq } : page;
    });
  }

  async #append(contents: readonly Omit<NewContent, 'ts'>[]): Promise<readonly AuditRow[]> {
    if (contents.length === 0) return [];
    return this.#queue.run(async () => {
      const kept = this.#head.read();
      let place: Place = kept === null ? await this.#place() : { log: kept, chain: kept };
      for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
        const rows = await this.#tryAppend(place, contents);
        if (rows !== null) return rows;
        place = await this.#place();
      }
      throw new AuditError();
    });
  }

  /** Answers null if the log does not end with `log`. */
  async #tryAppend(
    { log, chain }: Place,
    contents: readonly Omit<NewContent, 'ts'>[],
  ): Promise<AuditRow[] | null> {
    const ts = new Date().toISOString();
    const placed = { seq: Math.max(log.seq, chain.seq), hash: chain.hash };
    const rows = await chainRows(
      this.#userId,
      placed,
      contents.map((content) => ({ ...content, ts })),
    );
    const written = rows.map((row, index): NewAuditRow => ({
      ...row,
      attemptSeq: contents[index]?.attemptSeq ?? null,
    }));
    try {
      const inserted = await this.#query(appendRows(this.#userId, log, written));
      if (inserted.length !== rows.length) return null;
    } catch (thrown) {
      if (thrown instanceof PostgresError && thrown.sqlState === UNIQUE_VIOLATION) return null;
      throw thrown;
    }
    const last = rows.at(-1);
    if (last !== undefined) this.#head.write({ seq: last.seq, hash: last.hash });
    return rows;
  }

  /** Compares the object's head with the log, and moves the head over rows that continue it. */
  async #place(): Promise<Place> {
    const kept = this.#head.read();
    // A new object, or one that lost its storage, knows only what the log says.
    const { reached, whole } =
      kept === null ? { reached: await this.#newest(), whole: true } : await this.#follow(kept);
    if (reached.seq > (kept?.seq ?? 0)) this.#head.write(reached);
    if (whole) return { log: reached, chain: reached };
    metrics.auditBreaks.inc();
    this.#log.error(
      'the audit in Postgres does not continue what this object wrote: it was changed or restored',
      {
        code: 'AUDIT_CHAIN_BROKEN',
      },
    );
    return { log: await this.#newest(), chain: reached };
  }

  /** How far the log is an unbroken chain from `kept` on; `whole`: up to its end. */
  async #follow(kept: AuditHead): Promise<{ reached: AuditHead; whole: boolean }> {
    let reached = kept;
    for (;;) {
      const [first, ...above] = await this.#rowsFrom(reached.seq);
      if (first === undefined || first.seq !== reached.seq || first.hash !== reached.hash) {
        return { reached, whole: false };
      }
      for (const row of above) {
        const follows = row.seq === reached.seq + 1 && row.prevHash === reached.hash;
        if (!follows || row.hash !== (await rowHash(this.#userId, reached.hash, row)))
          return { reached, whole: false };
        reached = { seq: row.seq, hash: row.hash };
      }
      if (above.length + 1 < READ_ROWS) return { reached, whole: true };
    }
  }

  async #rowsFrom(seq: number): Promise<AuditRow[]> {
    return (await this.#query(selectRowsFrom(this.#userId, seq, READ_ROWS))).map(parseAuditRow);
  }

  async #newest(): Promise<AuditHead> {
    const [row] = await this.#query(selectNewestRow(this.#userId));
    if (row === undefined) return EMPTY_CHAIN;
    const { seq, hash } = parseAuditRow(row);
    return { seq, hash };
  }

  async #query(statement: Statement): Promise<readonly Row[]> {
    return ask(this.#database, { role: 'mana_ai_runner', userId: this.#userId }, statement);
  }
}

/**
 * A name that a device wrote, made fit for PostgreSQL and canonical JSON. A record whose name is
 * changed here is never opened.
 */
function storable(name: string): string {
  return name.slice(0, LONGEST_NAME).toWellFormed().replaceAll('\u0000', '\ufffd');
}
