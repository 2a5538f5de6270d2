import type { AuditHead } from '../../src/audit/row.ts';
import {
  KEPT_OCCURRENCES,
  type Occurrence,
  type SkipReason,
} from '../../src/missions/occurrences.ts';
import type { Attempt, Hold, HoldReason } from '../../src/missions/standing.ts';
import type { AGENTS_TABLE, MISSIONS_TABLE } from '../../src/values/tables.ts';
import type { EndedGrant } from '../../src/sync/ended-grants.ts';
import type { RecordState } from '../../src/sync/merge.ts';
import { repeatSteps, type StorageSteps, takeSteps } from '../life/storage-steps.ts';
import { parseJson } from '../../src/values/json.ts';

/**
 * To be raised whenever merged records or their meaning change: an object with another version
 * rebuilds its cache from the log.
 */
const CACHE_VERSION = '2';

/** Makes the next refresh read the whole log, which clears the cache first. */
export const CACHE_IS_STALE = `delete from meta where name in ('complete', 'epoch')`;

/**
 * SQLite in an object takes values of up to 2 MB; three bytes are the most that one UTF-16 code
 * unit needs.
 */
const PART_LENGTH = 500_000;

type OccurrenceRow = {
  due_ms: number;
  fate: Occurrence['fate'];
  at_ms: number;
  reason: SkipReason | null;
  run_id: string | null;
};

const KNOWN_CARRIERS = 500;

export type CachedTable = typeof MISSIONS_TABLE | typeof AGENTS_TABLE;

/** A run from its first plan round to its write-back; `body` is the run's own JSON. */
export type StoredRun = { runId: string; missionId: string; body: string };

/** The newest change of a mission (`iterationId` is '') or of one of its iterations. */
export type NotedChange = { missionId: string; iterationId: string; revision: number };

/** Stored for a hold that only a change ends: later than any time. */
const NEVER_MS = Number.MAX_SAFE_INTEGER;

const TABLES: StorageSteps = {
  store: 'missions',
  steps: [
    // Of the log, and built from it anew whenever the version of the cache changes.
    `create table if not exists meta (name text primary key, value text not null);
    create table if not exists records (
      table_name text not null, record_id text not null, part integer not null, body text not null,
      primary key (table_name, record_id, part)
    );
    create table if not exists due (mission_id text primary key, due_ms integer not null);
    create table if not exists changes (
      mission_id text not null, iteration_id text not null, revision integer not null,
      primary key (mission_id, iteration_id)
    );
    create index if not exists changes_by_revision on changes (revision);`,
    // Of the runner alone. carriers: the rows that wrote a mission's iterations and were looked at,
    // newest last. doubts: the missions whose iterations may need a repair.
    `create table if not exists runs (
      run_id text not null, mission_id text not null, part integer not null, body text not null,
      primary key (run_id, part)
    );
    create table if not exists attempts (
      mission_id text primary key, failures integer not null, retry_at_ms integer not null,
      code text not null
    );
    create table if not exists turns (mission_id text primary key, ended_ms integer not null);
    create table if not exists carriers (
      position integer primary key autoincrement, row_id text not null unique
    );
    create table if not exists occurrences (
      mission_id text not null, due_ms integer not null, fate text not null, at_ms integer not null,
      reason text, run_id text, primary key (mission_id, due_ms)
    );
    create table if not exists doubts (mission_id text primary key);
    create table if not exists holds (
      mission_id text primary key, reason text not null, until_ms integer not null
    );`,
    // The object's own name is the user's id.
    `delete from meta where name = 'user_id'`,
    // Grants that the log ended and mana-auth has not been told of yet; '' as grant: all of the mission.
    `create table if not exists ended_grants (
      mission_id text not null, grant_id text not null, until text not null,
      primary key (mission_id, grant_id)
    );`,
  ],
};

/** The tables of one user's object. Every method is one synchronous step. */
export class MissionStore {
  readonly #sql: SqlStorage;
  #revision = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    takeSteps(sql, TABLES);
    if (this.meta('cache_version') !== CACHE_VERSION) this.#emptyCache();
  }

  /**
   * Rises with every record that is saved. Whoever decided by an older revision has to look again.
   */
  get revision(): number {
    return this.#revision;
  }

  meta(name: string): string | null {
    const [row] = this.#sql
      .exec<{ value: string }>(`select value from meta where name = ?`, name)
      .toArray();
    return row?.value ?? null;
  }

  setMeta(name: string, value: string): void {
    this.#sql.exec(`insert or replace into meta (name, value) values (?, ?)`, name, value);
  }

  /** Turns in a row that failed before a mission was chosen. */
  turnFailures(): number {
    return Number(this.meta('turn_failures') ?? 0) || 0;
  }

  saveTurnFailures(failures: number): void {
    this.setMeta('turn_failures', String(failures));
  }

  /** Written only if there is something to clear: one more commit costs a wait for the disk. */
  clearTurnFailures(): void {
    if ((this.meta('turn_failures') ?? '0') !== '0') this.saveTurnFailures(0);
  }

  /** Until when (ms) the event hub wants to be told of changes; 0 if it never asked. */
  watchedUntilMs(): number {
    return Number(this.meta('watched_until') ?? 0);
  }

  watchUntil(untilMs: number): void {
    this.setMeta('watched_until', String(untilMs));
  }

  /** The head of the user's audit chain as this object wrote it last; null if it never did. */
  auditHead(): AuditHead | null {
    return JSON.parse(this.meta('audit_head') ?? 'null') as AuditHead | null;
  }

  saveAuditHead(head: AuditHead): void {
    this.setMeta('audit_head', JSON.stringify(head));
  }

  /** The IANA zone that the person last told; null: none yet. */
  timeZone(): string | null {
    return this.meta('time_zone');
  }

  /** The same zone again costs no commit. */
  saveTimeZone(zone: string): void {
    if (this.timeZone() !== zone) this.setMeta('time_zone', zone);
  }

  /** Whether the last run found something that a grant of today cannot open: it is of the app's own form. */
  metLegacyCiphertext(missionId: string): boolean {
    return this.meta(`legacy-ciphertext:${missionId}`) !== null;
  }

  /** Why the last run could not open records of the mission; empty: it opened all. */
  saveRefusals(missionId: string, reasons: readonly string[]): void {
    const name = `legacy-ciphertext:${missionId}`;
    const isMet = reasons.includes('legacy-ciphertext');
    if (isMet === this.metLegacyCiphertext(missionId)) return;
    if (isMet) this.setMeta(name, 'true');
    else this.#sql.exec(`delete from meta where name = ?`, name);
  }

  /** False until the whole log was merged once under this cache version. */
  isComplete(): boolean {
    return this.meta('complete') === 'true';
  }

  markComplete(): void {
    this.setMeta('complete', 'true');
  }

  /**
   * Forgets the merged records, so that the next refresh reads the whole log; runs and attempts
   * stay.
   */
  clearCache(): void {
    this.#sql.exec(
      `delete from records; delete from due; delete from holds; delete from carriers; delete from changes;
       ${CACHE_IS_STALE};`,
    );
  }

  record(tableName: CachedTable, recordId: string): RecordState | null {
    const body = this.#recordBody(tableName, recordId);
    return body === null ? null : (parseJson(body) as RecordState);
  }

  /**
   * A record that has not changed is not written: rows are often read again, and a commit costs a
   * wait for the disk.
   */
  saveRecord(tableName: CachedTable, recordId: string, state: RecordState): void {
    const text = JSON.stringify(state);
    if (this.#recordBody(tableName, recordId) === text) return;
    this.#revision += 1;
    this.#sql.exec(
      `delete from records where table_name = ? and record_id = ?`,
      tableName,
      recordId,
    );
    for (const [part, body] of partsOf(text).entries()) {
      this.#sql.exec(
        `insert into records (table_name, record_id, part, body) values (?, ?, ?, ?)`,
        tableName,
        recordId,
        part,
        body,
      );
    }
  }

  recordIds(tableName: CachedTable): string[] {
    return this.#sql
      .exec<{ record_id: string }>(
        `select record_id from records where table_name = ? and part = 0 order by record_id`,
        tableName,
      )
      .toArray()
      .map((row) => row.record_id);
  }

  /** Ids of the records that hold a text somewhere: a cheap test before they are parsed. */
  recordIdsWith(tableName: CachedTable, text: string): string[] {
    return this.#sql
      .exec<{ record_id: string }>(
        `select distinct record_id from records where table_name = ? and instr(body, ?) > 0 order by record_id`,
        tableName,
        text,
      )
      .toArray()
      .map((row) => row.record_id);
  }

  /** When a mission is due by its records alone; null takes it off the list. */
  setDue(missionId: string, dueMs: number | null): void {
    if (dueMs === null) this.#sql.exec(`delete from due where mission_id = ?`, missionId);
    else
      this.#sql.exec(
        `insert into due (mission_id, due_ms) values (?1, ?2)
         on conflict (mission_id) do update set due_ms = ?2 where due_ms <> ?2`,
        missionId,
        dueMs,
      );
  }

  /**
   * The mission that is ready first: it is due, and neither a back-off nor a hold delays it. A
   * mission that had a turn and has to come again stands behind those that were ready when its turn
   * ended.
   */
  nextDue(): { missionId: string; readyMs: number } | null {
    const [row] = this.#sql
      .exec<{ mission_id: string; ready_ms: number }>(
        `select mission_id, ready_ms from (
           select due.mission_id, turns.ended_ms, max(due.due_ms, coalesce(attempts.retry_at_ms, 0), coalesce(holds.until_ms, 0)) as ready_ms
           from due left join attempts on attempts.mission_id = due.mission_id
             left join holds on holds.mission_id = due.mission_id left join turns on turns.mission_id = due.mission_id)
         order by max(ready_ms, coalesce(ended_ms, 0)), mission_id limit 1`,
      )
      .toArray();
    return row === undefined || row.ready_ms === NEVER_MS
      ? null
      : { missionId: row.mission_id, readyMs: row.ready_ms };
  }

  /** A turn ended before the mission was finished: the user's other missions go first now. */
  noteTurn(missionId: string, endedMs: number): void {
    this.#sql.exec(
      `insert or replace into turns (mission_id, ended_ms) values (?, ?)`,
      missionId,
      endedMs,
    );
  }

  runOf(missionId: string): StoredRun | null {
    const parts = this.#sql
      .exec<{ run_id: string; body: string }>(
        `select run_id, body from runs where mission_id = ? order by run_id, part`,
        missionId,
      )
      .toArray();
    const [first] = parts;
    if (first === undefined) return null;
    return { runId: first.run_id, missionId, body: parts.map((row) => row.body).join('') };
  }

  /** A mission has one run at a time: an older one is replaced. */
  saveRun({ runId, missionId, body }: StoredRun): void {
    this.deleteRunOf(missionId);
    for (const [part, text] of partsOf(body).entries()) {
      this.#sql.exec(
        `insert into runs (run_id, mission_id, part, body) values (?, ?, ?, ?)`,
        runId,
        missionId,
        part,
        text,
      );
    }
  }

  deleteRunOf(missionId: string): void {
    this.#sql.exec(`delete from runs where mission_id = ?`, missionId);
  }

  attempt(missionId: string): Attempt | null {
    const [row] = this.#sql
      .exec<{ failures: number; retry_at_ms: number; code: string }>(
        `select * from attempts where mission_id = ?`,
        missionId,
      )
      .toArray();
    return row === undefined
      ? null
      : { failures: row.failures, retryAtMs: row.retry_at_ms, code: row.code };
  }

  saveAttempt(missionId: string, { failures, retryAtMs, code }: Attempt): void {
    this.#sql.exec(
      `insert or replace into attempts (mission_id, failures, retry_at_ms, code) values (?, ?, ?, ?)`,
      missionId,
      failures,
      retryAtMs,
      code,
    );
  }

  clearAttempt(missionId: string): void {
    this.#sql.exec(`delete from attempts where mission_id = ?`, missionId);
    this.#sql.exec(`delete from turns where mission_id = ?`, missionId);
  }

  /**
   * Remembers that a row was looked at; false if it had been. Only the newest are remembered; an
   * older one is looked at once more.
   */
  noteCarrier(rowId: string): boolean {
    const isNew =
      this.#sql.exec(`select 1 from carriers where row_id = ?`, rowId).toArray().length === 0;
    if (!isNew) return false;
    this.#sql.exec(`insert into carriers (row_id) values (?)`, rowId);
    this.#sql.exec(
      `delete from carriers where position <= (select max(position) from carriers) - ?`,
      KNOWN_CARRIERS,
    );
    return true;
  }

  /** A mission's due moments with their fates, oldest first. */
  occurrences(missionId: string): Occurrence[] {
    return this.#sql
      .exec<OccurrenceRow>(
        `select * from occurrences where mission_id = ? order by due_ms`,
        missionId,
      )
      .toArray()
      .map(occurrenceOf);
  }

  newestOccurrenceMs(missionId: string): number | null {
    const [row] = this.#sql
      .exec<{ due_ms: number | null }>(
        `select max(due_ms) as due_ms from occurrences where mission_id = ?`,
        missionId,
      )
      .toArray();
    return row?.due_ms ?? null;
  }

  /**
   * Saves the fate of a due moment. A moment keeps the fate it has, unless a run for that very
   * moment replaces it. Answers whether it had none.
   */
  saveOccurrence(missionId: string, occurrence: Occurrence): boolean {
    const { dueMs, fate, atMs } = occurrence;
    const known = this.#sql
      .exec(`select 1 from occurrences where mission_id = ? and due_ms = ?`, missionId, dueMs)
      .toArray();
    if (known.length > 0 && (fate === 'merged' || fate === 'skipped')) return false;
    this.#sql.exec(
      `insert or replace into occurrences (mission_id, due_ms, fate, at_ms, reason, run_id) values (?, ?, ?, ?, ?, ?)`,
      missionId,
      dueMs,
      fate,
      atMs,
      occurrence.fate === 'skipped' ? occurrence.reason : null,
      occurrence.fate === 'skipped' ? null : occurrence.runId,
    );
    return known.length === 0;
  }

  dropOldOccurrences(missionId: string): void {
    this.#sql.exec(
      `delete from occurrences where mission_id = ?1 and due_ms not in
         (select due_ms from occurrences where mission_id = ?1 order by due_ms desc limit ?2)`,
      missionId,
      KEPT_OCCURRENCES,
    );
  }

  /** Whether a run of the mission led to this iteration, as far as its due moments are kept. */
  hasRun(missionId: string, iterationId: string): boolean {
    const query = `select 1 from occurrences where mission_id = ? and run_id = ?`;
    return this.#sql.exec(query, missionId, iterationId).toArray().length > 0;
  }

  addDoubt(missionId: string): void {
    this.#sql.exec(`insert or ignore into doubts (mission_id) values (?)`, missionId);
  }

  clearDoubt(missionId: string): void {
    this.#sql.exec(`delete from doubts where mission_id = ?`, missionId);
  }

  /** Missions whose iterations may need a repair, and so have to be compared with the log. */
  doubts(): string[] {
    return this.#sql
      .exec<{ mission_id: string }>(`select mission_id from doubts order by mission_id`)
      .toArray()
      .map((row) => row.mission_id);
  }

  noteEndedGrant({ missionId, grantId, until }: EndedGrant): void {
    this.#sql.exec(
      `insert or replace into ended_grants (mission_id, grant_id, until) values (?, ?, ?)`,
      missionId,
      grantId ?? '',
      until,
    );
  }

  /** Grants that have to be ended where they were minted. */
  endedGrants(): EndedGrant[] {
    return this.#sql
      .exec<{ mission_id: string; grant_id: string; until: string }>(
        `select * from ended_grants order by mission_id, grant_id`,
      )
      .toArray()
      .map((row) => ({
        missionId: row.mission_id,
        grantId: row.grant_id === '' ? null : row.grant_id,
        until: row.until,
      }));
  }

  /** They are ended; one that was noted meanwhile stays. */
  clearEndedGrants(ended: readonly EndedGrant[]): void {
    for (const { missionId, grantId, until } of ended)
      this.#sql.exec(
        `delete from ended_grants where mission_id = ? and grant_id = ? and until = ?`,
        missionId,
        grantId ?? '',
        until,
      );
  }

  hold(missionId: string): Hold | null {
    const [row] = this.#sql
      .exec<{ reason: HoldReason; until_ms: number }>(
        `select * from holds where mission_id = ?`,
        missionId,
      )
      .toArray();
    return row === undefined
      ? null
      : { reason: row.reason, untilMs: row.until_ms === NEVER_MS ? null : row.until_ms };
  }

  saveHold(missionId: string, { reason, untilMs }: Hold): void {
    this.#sql.exec(
      `insert or replace into holds (mission_id, reason, until_ms) values (?, ?, ?)`,
      missionId,
      reason,
      untilMs ?? NEVER_MS,
    );
  }

  /** Ends all holds of a reason. */
  clearHolds(reason: HoldReason): void {
    this.#sql.exec(`delete from holds where reason = ?`, reason);
  }

  clearHold(missionId: string): void {
    this.#sql.exec(`delete from holds where mission_id = ?`, missionId);
  }

  /**
   * Notes which parts of a mission have just changed, for event streams. The iteration id '' stands
   * for the mission itself.
   */
  noteChanges(missionId: string, iterationIds: readonly string[]): void {
    for (const iterationId of iterationIds) {
      this.#sql.exec(
        `insert or replace into changes (mission_id, iteration_id, revision)
         values (?, ?, (select coalesce(max(revision), 0) + 1 from changes))`,
        missionId,
        iterationId,
      );
    }
  }

  /** Oldest first. Only the last change of each part is kept: events tell the present state. */
  changesAfter(revision: number, limit: number): NotedChange[] {
    return this.#sql
      .exec<{ mission_id: string; iteration_id: string; revision: number }>(
        `select * from changes where revision > ? order by revision limit ?`,
        revision,
        limit,
      )
      .toArray()
      .map((row) => ({
        missionId: row.mission_id,
        iterationId: row.iteration_id,
        revision: row.revision,
      }));
  }

  lastRevision(): number {
    const [row] = this.#sql
      .exec<{ last: number | null }>(`select max(revision) as last from changes`)
      .toArray();
    return row?.last ?? 0;
  }

  #recordBody(tableName: CachedTable, recordId: string): string | null {
    const parts = this.#sql
      .exec<{ body: string }>(
        `select body from records where table_name = ? and record_id = ? order by part`,
        tableName,
        recordId,
      )
      .toArray();
    return parts.length === 0 ? null : parts.map((row) => row.body).join('');
  }

  /**
   * Another build may have cached records in other shapes, or in other tables. What a run has paid
   * for is not cache and stays.
   */
  #emptyCache(): void {
    this.#sql.exec(`
      drop table if exists records;
      drop table if exists due;
      drop table if exists changes;
      ${CACHE_IS_STALE};
    `);
    repeatSteps(this.#sql, TABLES);
    this.setMeta('cache_version', CACHE_VERSION);
  }
}

function occurrenceOf({
  due_ms: dueMs,
  fate,
  at_ms: atMs,
  reason,
  run_id: runId,
}: OccurrenceRow): Occurrence {
  if (fate === 'skipped') return { dueMs, fate, atMs, reason: reason ?? 'rescheduled' };
  return { dueMs, fate, atMs, runId: runId ?? '' };
}

function partsOf(text: string): string[] {
  const parts: string[] = [];
  for (let start = 0; start < text.length;) {
    const end = start + PART_LENGTH;
    // SQLite's UTF-8 would lose a surrogate pair that is cut in two.
    const cut = isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end;
    parts.push(text.slice(start, cut));
    start = cut;
  }
  return parts;
}

function isHighSurrogate(codeUnit: number): boolean {
  return codeUnit >= 0xd800 && codeUnit <= 0xdbff;
}
