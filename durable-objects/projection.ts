import { parseAgent, type Agent } from '../src/missions/agent.ts';
import { firstDue, nextDue } from '../src/missions/cadence.ts';
import { parseMission, type Mission } from '../src/missions/mission.ts';
import { missionStatus } from '../src/missions/status.ts';
import type { Database, Row, Statement } from '../src/postgres/port.ts';
import { type ChangeRow, type NewChangeRow, parseChangeRow } from '../src/sync/change-row.ts';
import { applyRow, isAlive, readRecord, type RecordState } from '../src/sync/merge.ts';
import {
  type ChangeCursor,
  FROM_THE_BEGINNING,
  insertChange,
  selectChangeById,
  selectChanges,
  selectPendingSince,
  selectUserPresence,
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
   * Merges the rows from `since` on; null, or a cache that was never complete, reads the whole log.
   * @returns false when the user has no row of app 'ai' left
   * @throws PostgresError
   */
  async refresh(since: string | null): Promise<boolean> {
    const whole = since === null || !this.#store.isComplete();
    const changed = await this.#readLog(whole ? FROM_THE_BEGINNING : { kind: 'from', createdAt: since });
    if (whole) {
      if (!(await this.#isPresent())) return false;
      this.#store.setMeta('complete', 'true');
    }
    await this.#settle(changed);
    return true;
  }

  /** Merges what the change feed has not delivered yet, so that a run starts from the newest state. */
  async refreshPending(): Promise<boolean> {
    const [row] = await this.#query(selectPendingSince(this.#userId));
    const since = row?.['since'] ?? null;
    if (since === null && this.#store.isComplete()) return true;
    return this.refresh(since);
  }

  /** A living mission with its agent; null if it does not exist or was deleted. */
  mission(missionId: string): MissionEntry | null {
    const state = this.#store.record(MISSIONS, missionId);
    if (state === null || !isAlive(state)) return null;
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

  async #readLog(start: ChangeCursor): Promise<Set<string>> {
    const changed = new Set<string>();
    for (let cursor: ChangeCursor | null = start; cursor !== null;) {
      const rows = await this.#query(selectChanges(this.#userId, cursor));
      const parsed = rows.map((row) => parseChangeRow(row));
      for (const row of parsed) changed.add(this.#merge(row));
      const last = parsed.at(-1);
      cursor = last === undefined ? null : { kind: 'after', createdAt: last.createdAt, id: last.id };
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
    for (const missionId of ids) this.updateDue(missionId);
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

  async #isPresent(): Promise<boolean> {
    const [row] = await this.#query(selectUserPresence(this.#userId));
    return row?.['present'] === 'true';
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
