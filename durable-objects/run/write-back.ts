import { nextDue } from '../../src/missions/cadence.ts';
import type { PlanStep } from '../../src/missions/iteration.ts';
import type { Mission } from '../../src/missions/mission.ts';
import type { NewChangeRow } from '../../src/sync/change-row.ts';
import { buildIterationRow, buildMoveOnRow, type RunIdentity } from '../../src/sync/write-back.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import { parseInstantMs } from '../../src/values/instant.ts';
import type { OpenGrant } from '../opening/grant-access.ts';
import type { FinishedRun } from '../projection/occurrence-log.ts';
import type { MissionEntry, Projection } from '../projection/projection.ts';
import { type Checkpoint, dueRegister } from './checkpoint.ts';
import { actorOf, iterationOf, sealedIterationOf } from './iteration.ts';

/** Whose run is written where; `timeZone` is the IANA zone for cadences that name none. */
export type WriteBackPorts = {
  userId: string;
  missionId: string;
  projection: Pick<Projection, 'refreshPending' | 'mission' | 'append'>;
  timeZone: string;
};

/**
 * Writes what came of a run to the log, on top of the newest state. Each method runs while nobody
 * else works on the log.
 */
export class WriteBack {
  readonly #ports: WriteBackPorts;

  constructor(ports: WriteBackPorts) {
    this.#ports = ports;
  }

  /**
   * Writes the iteration and the mission's next time.
   * @param stands whether what the run rests on is so in the newest state
   * @returns null if the mission is gone or cannot take the iteration
   * @throws PostgresError
   */
  async iteration(
    checkpoint: Checkpoint,
    iteration: { id: string },
    stands: (entry: MissionEntry) => Promise<boolean>,
  ): Promise<FinishedRun | 'changed' | null> {
    const entry = await this.#newest();
    if (entry !== null && !(await stands(entry))) return 'changed';
    const row = entry === null ? null : this.#iterationRow(checkpoint, iteration, entry);
    if (row === null) return null;
    if ((await this.#ports.projection.append(row)) === 'present')
      metrics.duplicateWritesAvoided.inc();
    metrics.plansWrittenBack.inc();
    return finishedRun(checkpoint);
  }

  /** Moves a mission to its next time whose run stands in the log already. @throws PostgresError */
  async moveOn(mayMove: (entry: MissionEntry) => Promise<RunIdentity | null>): Promise<void> {
    const { userId, missionId, projection } = this.#ports;
    const entry = await this.#newest();
    const identity = entry === null ? null : await mayMove(entry);
    if (entry === null || identity === null) return;
    const { mission, state } = entry;
    const nowMs = Date.now();
    const row = buildMoveOnRow({
      userId,
      missionId,
      state,
      nowMs,
      identity,
      dueRegister: dueRegister(state),
      nextRunAt: this.#nextRunAt(mission, nowMs, nowMs),
    });
    if (row !== null) await projection.append(row);
  }

  async #newest(): Promise<MissionEntry | null> {
    const { projection, missionId } = this.#ports;
    return (await projection.refreshPending()) ? projection.mission(missionId) : null;
  }

  #iterationRow(
    checkpoint: Checkpoint,
    iteration: { id: string },
    { mission, state, agent }: MissionEntry,
  ): NewChangeRow | null {
    const { userId, missionId } = this.#ports;
    const { identity, due, startedMs } = checkpoint;
    const nowMs = Date.now();
    return buildIterationRow({
      userId,
      missionId,
      state,
      identity,
      dueRegister: due,
      iteration,
      nextRunAt: this.#nextRunAt(mission, startedMs, nowMs),
      nowMs,
      actor: actorOf(missionId, identity.iterationId, agent),
    });
  }

  /**
   * Computed from now, so that days of absence are one run; an interval counts from the start of
   * this one.
   */
  #nextRunAt({ id, cadence: parsed }: Mission, startedMs: number, nowMs: number): string | null {
    if (!parsed.ok) return null;
    const { cadence } = parsed;
    const afterMs = cadence.kind === 'interval' ? startedMs : nowMs;
    const next = nextDue(cadence, { afterMs, missionId: id, defaultZone: this.#ports.timeZone });
    return next.ok && next.nextMs !== null ? new Date(next.nextMs).toISOString() : null;
  }
}

/**
 * The iteration as it is written: in plain text without a grant, sealed under one. `openStatus`: of
 * the steps of one in plain text, which wait for a decision.
 */
export async function writtenIteration(
  checkpoint: Checkpoint,
  grant: OpenGrant | null,
  openStatus: PlanStep['status'],
): Promise<{ id: string }> {
  return grant === null
    ? iterationOf(checkpoint, openStatus)
    : sealedIterationOf(checkpoint, grant);
}

function finishedRun({ due, identity, startedMs, finishedMs, failure }: Checkpoint): FinishedRun {
  const dueMs = parseInstantMs(due.value) ?? startedMs;
  const { iterationId: runId } = identity;
  return { dueMs, runId, startedMs, finishedMs: finishedMs ?? startedMs, failed: failure !== null };
}
