import { parseAgent, type Agent } from '../src/missions/agent.ts';
import { firstDue, nextDue } from '../src/missions/cadence.ts';
import { parseMission, type Mission } from '../src/missions/mission.ts';
import { missionStatus } from '../src/missions/status.ts';
import type { Database, Row, Statement } from '../src/postgres/port.ts';
import { type ChangeRow, type NewChangeRow, parseChangeRow } from '../src/sync/change-row.ts';
import { applyRow, isAlive, readRecord, type RecordState } from '../src/sync/merge.ts';
import {
  type ChangeCursor,
  deleteUser,
  FROM_THE_BEGINNING,
  insertChange,
  selectChangeById,
  selectChanges,
  selectPending,
} from '../src/sync/queries.ts';
import { buildRescheduleRow, toRow } from '../src/sync/write-back.ts';
import { metrics } from '../src/telemetry/metrics.ts';
import type { CachedTable, MissionStore } from './mission-store.ts';

const AGENTS: CachedTable = 'agents';
const MISSIONS: CachedTable = 'aiMissions';

export type MissionEntry = { mission: Mission; state: RecordState; agent: Agent | null };

/** The merged missions and agents of one user: read from the log, kept in the object's SQLite, written back to the log. */
export class Projection {
  readonly #userId: string;
  readonly #store: MissionStore;
  readonly #database: Database;
  readonly #timeZone: string;

  constructor(options: { userId: string; store: MissionStore; database: Database; timeZone: string }) {
    this.#userId = options.userId;
    this.#store = options.store;
    this.#database = options.database;
    this.#timeZone = options.timeZone;
  }

  /**
   * Merges the rows from `since` on; a cache that was never complete reads the whole log.
   * @returns false when the user has no rows left
   * @throws PostgresError
   */
  async refresh(since: string): Promise<boolean> {
    return this.#store.isComplete() ? this.#readFrom({ kind: 'from', createdAt: since }) : this.rebuild();
  }

  /** Reads the whole log into an empty cache: what the log does not hold any more is gone here too. Runs under way are kept. */
  async rebuild(): Promise<boolean> {
    this.#store.clearCache();
    const present = await this.#readFrom(FROM_THE_BEGINNING);
    if (present) this.#store.markComplete();
    return present;
  }

  /** Merges what the change feed has not delivered yet, so that a run starts from the newest state. */
  async refreshPending(): Promise<boolean> {
    const { since, present } = await this.#pending();
    if (!present) return false;
    if (since === null) return this.#store.isComplete() || this.rebuild();
    return this.refresh(since);
  }

  /** Takes a person who is gone off the runner's list. */
  async forget(): Promise<void> {
    await this.#query(deleteUser(this.#userId));
  }

  /** A living mission with its agent; null if it does not exist or was deleted. */
  mission(missionId: string): MissionEntry | null {
    const state = this.#store.record(MISSIONS, missionId);
    // A record of which no row could be read has no state to be alive or dead by; it is shown, as invalid.
    const unreadable = state !== null && state.newest === null;
    if (state === null || (!unreadable && !isAlive(state))) return null;
    const mission = parseMission(readRecord(state, missionId));
    return { mission, state, agent: this.#agent(mission.agentId) };
  }

  missions(): MissionEntry[] {
    return this.#store.recordIds(MISSIONS).flatMap((id) => this.mission(id) ?? []);
  }

  /**
   * Appends a row of ours unless it is there already, and merges it.
   * @returns 'written', or 'present' where an earlier try had written it
   * @throws PostgresError; Error if neither was the case, which must never be taken for success
   */
  async append(row: NewChangeRow): Promise<'written' | 'present'> {
    const [inserted] = await this.#query(insertChange(row));
    const createdAt = inserted?.['created_at'];
    if (createdAt) {
      this.#merge(toRow(row, createdAt));
      await this.#settle(new Set([missionKey(row.recordId)]));
      return 'written';
    }
    const [found] = await this.#query(selectChangeById(this.#userId, row.id));
    if (found === undefined) throw new Error('a change row was neither written nor found');
    this.#merge(parseChangeRow(found));
    await this.#settle(new Set([missionKey(row.recordId)]));
    return 'present';
  }

  /** Re-reads when a mission is due, from its record and its agent's. */
  updateDue(missionId: string): void {
    const entry = this.mission(missionId);
    const due = entry === null ? null : missionStatus({ ...entry, nowMs: Date.now() }).dueAtMs;
    this.#store.setDue(missionId, due);
  }

  async #readFrom(start: ChangeCursor): Promise<boolean> {
    const changed = await this.#readLog(start);
    await this.#settle(changed);
    return (await this.#pending()).present;
  }

  async #readLog(start: ChangeCursor): Promise<Set<string>> {
    const changed = new Set<string>();
    for (let cursor: ChangeCursor | null = start; cursor !== null;) {
      const rows = await this.#query(selectChanges(this.#userId, cursor));
      for (const row of rows) changed.add(this.#merge(parseChangeRow(row)));
      const last = rows.at(-1);
      cursor = last === undefined ? null : { kind: 'after', createdAt: last['cursor_at'] ?? '', id: last['id'] ?? '' };
    }
    return changed;
  }

  #merge(row: ChangeRow): string {
    const tableName: CachedTable = row.tableName === AGENTS ? AGENTS : MISSIONS;
    const known = this.#store.record(tableName, row.recordId);
    const { state, skipped } = applyRow(known, row);
    if (skipped !== undefined) metrics.skippedRows.inc({ reason: skipped });
    else metrics.snapshotRowsApplied.inc();
    if (known === null) metrics.snapshotsNew.inc();
    else metrics.snapshotsUpdated.inc();
    this.#store.saveRecord(tableName, row.recordId, state);
    return tableName === AGENTS ? AGENTS : missionKey(row.recordId);
  }

  /** After a merge: due times follow, and a changed cadence moves its mission. An agent's change may touch any mission. */
  async #settle(changed: ReadonlySet<string>): Promise<void> {
    const ids = changed.has(AGENTS)
      ? this.#store.recordIds(MISSIONS)
      : [...changed].map((key) => key.slice(missionKey('').length));
    for (const missionId of ids) {
      // What kept it waiting may be over with this change; its next turn finds out.
      this.#store.clearHold(missionId);
      this.updateDue(missionId);
    }
    for (const missionId of ids) await this.#reschedule(missionId);
  }

  /** Rule 9 of the cadence policy: a new cadence or zone counts from now, without waiting for the old time. */
  async #reschedule(missionId: string): Promise<void> {
    const entry = this.mission(missionId);
    if (entry === null || !entry.mission.cadence.ok) return;
    const nowMs = Date.now();
    const start = entry.mission.iterations.length === 0 ? firstDue : nextDue;
    const next = start(entry.mission.cadence.cadence, { afterMs: nowMs, missionId, defaultZone: this.#timeZone });
    if (!next.ok) return;
    const nextRunAt = next.nextMs === null ? null : new Date(next.nextMs).toISOString();
    const row = buildRescheduleRow({ userId: this.#userId, missionId, state: entry.state, nextRunAt, nowMs });
    if (row !== null) await this.append(row);
  }

  #agent(agentId: string | null): Agent | null {
    const state = agentId === null ? null : this.#store.record(AGENTS, agentId);
    return agentId === null || state === null || !isAlive(state) ? null : parseAgent(readRecord(state, agentId));
  }

  async #pending(): Promise<{ since: string | null; present: boolean }> {
    const [row] = await this.#query(selectPending(this.#userId));
    return { since: row?.['since'] ?? null, present: row?.['present'] === 'true' };
  }

  async #query(statement: Statement): Promise<readonly Row[]> {
    const request = { role: 'mana_ai_runner', userId: this.#userId, statements: [statement] } as const;
    const [rows] = await this.#database.transaction(request);
    return rows ?? [];
  }
}

function missionKey(missionId: string): string {
  return `${MISSIONS}:${missionId}`;
}
