import { parseAgent, type Agent } from '../../src/missions/agent.ts';
import { firstDue, nextDue } from '../../src/missions/cadence.ts';
import { parseMission, type Mission } from '../../src/missions/mission.ts';
import { missionStatus } from '../../src/missions/status.ts';
import type { Database } from '../../src/postgres/port.ts';
import {
  type ChangeRow,
  type DeviceChangeRow,
  isDeviceRow,
  type NewChangeRow,
  parseChangeRow,
} from '../../src/sync/change-row.ts';
import { endedGrant } from '../../src/sync/ended-grants.ts';
import { changedParts } from '../../src/sync/changed-parts.ts';
import {
  applyRow,
  createdUsOf,
  isAlive,
  readRecord,
  type RecordState,
  register,
} from '../../src/sync/merge.ts';
import {
  type ChangeCursor,
  deleteUser,
  endGrants,
  FROM_THE_BEGINNING,
  insertChange,
  insertUser,
  selectChangeById,
  selectChanges,
  selectIterationChanges,
  selectPending,
} from '../../src/sync/queries.ts';
import { carriedItems, mayNeedRepair, RepairLog } from '../../src/sync/repair.ts';
import { buildRescheduleRow, toRow } from '../../src/sync/write-back.ts';
import { AGENTS_TABLE as AGENTS, MISSIONS_TABLE as MISSIONS } from '../../src/values/tables.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import { LogReader } from './log-reader.ts';
import { OccurrenceLog } from './occurrence-log.ts';
import type { CachedTable, MissionStore } from './mission-store.ts';
import { RecordCache } from './record-cache.ts';

export type MissionEntry = { mission: Mission; state: RecordState; agent: Agent | null };

/**
 * The merged missions and agents of one user: read from the log, kept in the object's SQLite,
 * written back to the log.
 */
export class Projection {
  readonly #userId: string;
  readonly #store: MissionStore;
  readonly #log: LogReader;
  readonly #timeZone: () => string;
  readonly #occurrences: OccurrenceLog;

  constructor(options: {
    userId: string;
    store: MissionStore;
    database: Database;
    timeZone: () => string;
  }) {
    this.#userId = options.userId;
    this.#store = options.store;
    this.#log = new LogReader(options);
    this.#timeZone = options.timeZone;
    this.#occurrences = new OccurrenceLog(options);
  }

  /**
   * Merges the rows from `since` on; a cache that was never complete reads the whole log.
   * @returns false when the user has no rows left
   * @throws PostgresError
   */
  async refresh(since: string): Promise<boolean> {
    return this.#store.isComplete()
      ? this.#readFrom({ kind: 'from', createdAt: since })
      : this.rebuild();
  }

  /**
   * Reads the whole log into an empty cache, so that what the log no longer holds is gone here too.
   * Runs under way are kept.
   */
  async rebuild(): Promise<boolean> {
    this.#store.clearCache();
    const present = await this.#readFrom(FROM_THE_BEGINNING);
    if (!present) return false;
    await this.#log.query(insertUser(this.#userId));
    this.#store.markComplete();
    return true;
  }

  /**
   * Merges the change rows that the feed has not delivered yet, so that a run starts from the
   * newest state. False if the user has no rows left.
   */
  async refreshPending(): Promise<boolean> {
    const { since, present } = await this.#pending();
    if (!present) return false;
    if (since === null) return this.#store.isComplete() || this.rebuild();
    return this.refresh(since);
  }

  /** Removes a person who is gone from the runner's list of users. */
  async forget(): Promise<void> {
    await this.#log.query(deleteUser(this.#userId));
  }

  /** A living mission with its agent; null if it does not exist or was deleted. */
  mission(missionId: string): MissionEntry | null {
    const state = this.#store.record(MISSIONS, missionId);
    return state === null ? null : this.#entryOf(missionId, state);
  }

  #entryOf(missionId: string, state: RecordState): MissionEntry | null {
    // If none of a record's rows could be read, nobody knows whether it was deleted; it is shown,
    // as invalid.
    if (state.newest !== null && !isAlive(state)) return null;
    const mission = parseMission(readRecord(state, missionId));
    return { mission, state, agent: this.#agent(mission.agentId) };
  }

  /**
   * The log has no row of this person: the empty cache is the whole of it, until something is
   * written.
   */
  startEmpty(): void {
    this.#store.clearCache();
    this.#store.markComplete();
  }

  /** The merged record of a mission, dead or alive; null where no row of it is known. */
  recordState(missionId: string): RecordState | null {
    return this.#store.record(MISSIONS, missionId);
  }

  /** The merged record of a living agent; null where there is none. */
  agentState(agentId: string): RecordState | null {
    const state = this.#store.record(AGENTS, agentId);
    return state !== null && isAlive(state) ? state : null;
  }

  /** The living agents, by their ids. */
  agents(): Agent[] {
    return this.#store
      .recordIds(AGENTS)
      .toSorted()
      .flatMap((id) => (this.agentState(id) === null ? [] : (this.#agent(id) ?? [])));
  }

  /**
   * Missions that somebody may be running now: those with a running iteration, whoever wrote it.
   */
  missionsUnderWay(): MissionEntry[] {
    return this.#store.recordIdsWith(MISSIONS, '"running"').flatMap((id) => this.mission(id) ?? []);
  }

  missions(): MissionEntry[] {
    return this.#store.recordIds(MISSIONS).flatMap((id) => this.mission(id) ?? []);
  }

  /**
   * Appends a row of ours unless it is there already, and merges it. `beside`: rows of other
   * records, written with it or not at all.
   * @returns 'written', or 'present' where an earlier try had written it
   * @throws PostgresError; Error if neither was the case, which must never be taken for success
   */
  async append(
    row: NewChangeRow | DeviceChangeRow,
    beside: readonly DeviceChangeRow[] = [],
  ): Promise<'written' | 'present'> {
    const [[inserted] = []] = await this.#log.queryAll([row, ...beside].map(insertChange));
    const createdAt = inserted?.['created_at'];
    const written = createdAt ? toRow(row, createdAt) : await this.#changeById(row.id);
    const merge = this.#mergeOne(written);
    this.#lookAtGrant(merge);
    if (createdAt) {
      this.#store.noteCarrier(written.id);
      await this.#followUp([row.recordId]);
      await this.#endGrants();
      return 'written';
    }
    // A process wrote the row and was killed before it knew. What devices wrote since may have
    // overwritten it unseen.
    this.#lookAtIterations(merge);
    await this.#followUp([row.recordId]);
    await this.#repairDoubtful();
    return 'present';
  }

  /** Whether the log has a row of the user's with this id. @throws PostgresError */
  async holds(rowId: string): Promise<boolean> {
    return (await this.#log.query(selectChangeById(this.#userId, rowId))).length > 0;
  }

  /** Notes again when a mission is due, by its record and its agent's. */
  updateDue(missionId: string): void {
    const entry = this.mission(missionId);
    const nowMs = Date.now();
    const found = entry === null ? null : missionStatus({ ...entry, nowMs });
    if (
      entry !== null &&
      isDue(entry.mission, nowMs) &&
      found?.reason?.startsWith('agent-') === true
    )
      metrics.agentDecisions.inc({ decision: found.reason });
    this.#store.setDue(missionId, found?.dueAtMs ?? null);
  }

  async #changeById(id: string): Promise<ChangeRow> {
    const [found] = await this.#log.query(selectChangeById(this.#userId, id));
    if (found === undefined) throw new Error('a change row was neither written nor found');
    return parseChangeRow(found);
  }

  async #readFrom(start: ChangeCursor): Promise<boolean> {
    const changed = await this.#readLog(start);
    await this.#followUp(this.#missionsTouchedBy(changed));
    await this.#repairDoubtful();
    await this.#endGrants();
    return (await this.#pending()).present;
  }

  async #readLog(start: ChangeCursor): Promise<Set<string>> {
    const changed = new Set<string>();
    for await (const page of this.#log.pages(
      (cursor) => selectChanges(this.#userId, cursor),
      start,
    ))
      for (const key of this.#mergePage(page)) changed.add(key);
    return changed;
  }

  /**
   * One synchronous step, and so one commit: the records, and what their rows gave reason to look
   * at.
   */
  #mergePage(rows: readonly ChangeRow[]): Set<string> {
    const changed = new Set<string>();
    const records = new RecordCache(this.#store);
    for (const row of rows) {
      const { before, after } = this.#merge(row, records);
      if (row.tableName === MISSIONS) this.#lookAt({ before, after, row });
      changed.add(row.tableName === MISSIONS ? missionKey(row.recordId) : AGENTS);
    }
    this.#save(records);
    return changed;
  }

  #mergeOne(row: ChangeRow): { before: RecordState | null; after: RecordState; row: ChangeRow } {
    const records = new RecordCache(this.#store);
    const merge = this.#merge(row, records);
    this.#save(records);
    return { ...merge, row };
  }

  /**
   * Compares each record once a page: to compare megabytes for each of a thousand rows would hold
   * everybody up for minutes.
   */
  #save(records: RecordCache): void {
    for (const { tableName, recordId, before, after } of records.save())
      if (tableName === MISSIONS) this.#store.noteChanges(recordId, changedParts(before, after));
  }

  #merge(row: ChangeRow, records: RecordCache): { before: RecordState | null; after: RecordState } {
    const tableName: CachedTable = row.tableName === AGENTS ? AGENTS : MISSIONS;
    const before = records.get(tableName, row.recordId);
    const { state, skipped } = applyRow(before, row);
    if (skipped !== undefined) metrics.skippedRows.inc({ reason: skipped });
    else metrics.snapshotRowsApplied.inc();
    if (before === null) metrics.snapshotsNew.inc();
    else metrics.snapshotsUpdated.inc();
    records.set(tableName, row.recordId, state);
    return { before, after: state };
  }

  #lookAt(merge: { before: RecordState | null; after: RecordState; row: ChangeRow }): void {
    this.#lookAtIterations(merge);
    this.#lookAtGrant(merge);
    // In a rebuild the rows are history, and their due moments have their fates.
    if (isDeviceRow(merge.row) && merge.before !== null && this.#store.isComplete())
      this.#lookAtDueTime(merge.row, merge.before, merge.after);
  }

  /** If a device moves a time that had come, the due moment will have no run of its own. */
  #lookAtDueTime(row: ChangeRow, before: RecordState, after: RecordState): void {
    if (register(before, 'nextRunAt')?.rowId === register(after, 'nextRunAt')?.rowId) return;
    const entry = this.#entryOf(row.recordId, before);
    const { iterations } = parseMission(readRecord(after, row.recordId));
    if (entry !== null) this.#occurrences.moved(entry, iterations, createdUsOf(row) / 1_000);
  }

  /** Belongs to the commit of the merge: a crash must not leave a grant open that the person ended. */
  #lookAtGrant(merge: { before: RecordState | null; after: RecordState; row: ChangeRow }): void {
    const ended = endedGrant(merge);
    if (ended !== null) this.#store.noteEndedGrant(ended);
  }

  /** Tells mana-auth's own table of the grants that the log has ended. @throws PostgresError: they are ended with the next refresh */
  async #endGrants(): Promise<void> {
    const ended = this.#store.endedGrants();
    if (ended.length === 0) return;
    await this.#log.query(endGrants(ended));
    this.#store.clearEndedGrants(ended);
  }

  /**
   * Runs in the commit of the merge: if a crash made the object forget a doubt, an iteration would
   * be lost.
   */
  #lookAtIterations(merge: {
    before: RecordState | null;
    after: RecordState;
    row: ChangeRow;
  }): void {
    if (carriedItems(merge.row) === null || !this.#store.noteCarrier(merge.row.id)) return;
    if (mayNeedRepair(merge)) this.#store.addDoubt(merge.row.recordId);
  }

  /** A change of an agent may touch any mission. */
  #missionsTouchedBy(changed: ReadonlySet<string>): string[] {
    if (changed.has(AGENTS)) return this.#store.recordIds(MISSIONS);
    return [...changed].map((key) => key.slice(missionKey('').length));
  }

  /** After a merge: due times follow, and a changed cadence moves its mission. */
  async #followUp(missionIds: readonly string[]): Promise<void> {
    // The mission that kept an agent busy may be the one that changed.
    if (missionIds.length > 0) this.#store.clearHolds('agent-busy');
    for (const missionId of missionIds) {
      // The change may have ended what the mission waited for; its next turn finds out.
      this.#store.clearHold(missionId);
      this.updateDue(missionId);
    }
    for (const missionId of missionIds) await this.#reschedule(missionId);
  }

  async #repairDoubtful(): Promise<void> {
    for (const missionId of this.#store.doubts()) await this.#repair(missionId);
  }

  /**
   * Compares the iterations with all that was ever written to them, and brings back what a device
   * overwrote without having seen it.
   */
  async #repair(missionId: string): Promise<void> {
    const log = new RepairLog(missionId);
    const page = (cursor: ChangeCursor) => selectIterationChanges(this.#userId, missionId, cursor);
    for await (const row of this.#log.changes(page)) log.add(row);
    const state = this.#store.record(MISSIONS, missionId);
    const row = state && log.repair({ userId: this.#userId, missionId, state, nowMs: Date.now() });
    if (row) {
      await this.append(row);
      metrics.iterationRepairs.inc();
    }
    this.#store.clearDoubt(missionId);
  }

  /** A new cadence or zone counts from now; the mission does not wait for its old time. */
  async #reschedule(missionId: string): Promise<void> {
    const entry = this.mission(missionId);
    if (entry === null || !entry.mission.cadence.ok) return;
    const nowMs = Date.now();
    const start = entry.mission.iterations.length === 0 ? firstDue : nextDue;
    const next = start(entry.mission.cadence.cadence, {
      afterMs: nowMs,
      missionId,
      defaultZone: this.#timeZone(),
    });
    if (!next.ok) return;
    const nextRunAt = next.nextMs === null ? null : new Date(next.nextMs).toISOString();
    const row = buildRescheduleRow({
      userId: this.#userId,
      missionId,
      state: entry.state,
      nextRunAt,
      nowMs,
    });
    if (row === null) return;
    // If the old time had come, it was a due moment of the old cadence.
    const { mission } = entry;
    this.#occurrences.moved(
      { ...entry, mission: { ...mission, cadence: { ok: false } } },
      mission.iterations,
      nowMs,
    );
    await this.append(row);
  }

  #agent(agentId: string | null): Agent | null {
    const state = agentId === null ? null : this.#store.record(AGENTS, agentId);
    if (agentId === null || state === null) return null;
    const agent = parseAgent(readRecord(state, agentId));
    // If the agent was deleted, its missions must not go on without its limits.
    return isAlive(state) ? agent : { ...agent, state: 'archived' };
  }

  async #pending(): Promise<{ since: string | null; present: boolean }> {
    const [row] = await this.#log.query(selectPending(this.#userId));
    return { since: row?.['since'] ?? null, present: row?.['present'] === 'true' };
  }
}

function missionKey(missionId: string): string {
  return `${MISSIONS}:${missionId}`;
}

function isDue({ state, nextRunAt }: Mission, nowMs: number): boolean {
  return state === 'active' && nextRunAt.kind === 'at' && nextRunAt.ms <= nowMs;
}
