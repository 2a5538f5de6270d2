import type { Mission } from '../../src/missions/mission.ts';
import {
  dueMoments,
  fatesOfRun,
  fatesOfSkip,
  type Occurrence,
  ranInForeground,
  type SkipReason,
} from '../../src/missions/occurrences.ts';
import { skipReasonOf } from '../../src/missions/standing.ts';
import type { Occurrence as OccurrenceView } from '../../src/missions/views.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import type { MissionStore } from './mission-store.ts';
import type { MissionEntry } from './projection.ts';

/** A run whose iteration is in the log; times in ms. `runId` is the iteration's id. */
export type FinishedRun = {
  dueMs: number;
  runId: string;
  startedMs: number;
  finishedMs: number;
  failed: boolean;
};

/**
 * The fates of the due moments of a user's missions: noted once, and kept for the newest moments of
 * each mission.
 */
export class OccurrenceLog {
  readonly #store: MissionStore;
  readonly #timeZone: () => string;

  constructor(options: { store: MissionStore; timeZone: () => string }) {
    this.#store = options.store;
    this.#timeZone = options.timeZone;
  }

  /**
   * A run was written. The next moments of an interval count from the run's start, those of any
   * other cadence from its end.
   */
  ran(mission: Mission, run: FinishedRun, nowMs: number): void {
    const isInterval = mission.cadence.ok && mission.cadence.cadence.kind === 'interval';
    const moments = this.#moments(mission, run.dueMs, isInterval ? run.startedMs : nowMs);
    this.#save(mission.id, fatesOfRun({ ...run, moments }));
  }

  /**
   * Somebody moved the time of a mission that was due. `before`: the mission until then;
   * `iterations`: those it has now.
   */
  moved(before: MissionEntry, iterations: readonly unknown[], movedMs: number): void {
    const { mission } = before;
    if (
      !hasDueMoments(mission) ||
      mission.nextRunAt.kind !== 'at' ||
      mission.nextRunAt.ms > movedMs
    )
      return;
    const { ms: dueMs } = mission.nextRunAt;
    const tab = ranInForeground(iterations, dueMs) ? 'foreground' : null;
    const reason = this.#obstacle(before, movedMs) ?? tab ?? 'rescheduled';
    this.#save(mission.id, fatesOfSkip(this.#moments(mission, dueMs, movedMs), reason, movedMs));
  }

  /**
   * A mission's due moments with their fates, newest last. While something is in the mission's way,
   * the moments that pass are shown as skipped.
   */
  view(entry: MissionEntry, nowMs: number): OccurrenceView[] {
    const known = this.#store.occurrences(entry.mission.id);
    const settled = new Set(known.map(({ dueMs }) => dueMs));
    const open = this.#passing(entry, nowMs).filter(({ dueMs }) => !settled.has(dueMs));
    return [...known, ...open].toSorted((a, b) => a.dueMs - b.dueMs).map(viewOf);
  }

  #passing(entry: MissionEntry, nowMs: number): Occurrence[] {
    const { mission } = entry;
    if (!hasDueMoments(mission) || mission.nextRunAt.kind !== 'at' || mission.nextRunAt.ms > nowMs)
      return [];
    const reason = this.#obstacle(entry, nowMs);
    return reason === null
      ? []
      : fatesOfSkip(this.#moments(mission, mission.nextRunAt.ms, nowMs), reason, nowMs);
  }

  #obstacle(entry: MissionEntry, nowMs: number): SkipReason | null {
    const hold = this.#store.hold(entry.mission.id);
    return skipReasonOf({ ...entry, hold, nowMs });
  }

  #moments({ id, cadence }: Mission, dueMs: number, untilMs: number): number[] {
    return dueMoments({
      cadence: cadence.ok ? cadence.cadence : null,
      missionId: id,
      defaultZone: this.#timeZone(),
      dueMs,
      settledMs: this.#store.newestOccurrenceMs(id),
      untilMs,
    });
  }

  #save(missionId: string, occurrences: readonly Occurrence[]): void {
    for (const occurrence of occurrences) {
      if (this.#store.saveOccurrence(missionId, occurrence))
        metrics.occurrences.inc({ fate: occurrence.fate });
    }
    this.#store.dropOldOccurrences(missionId);
  }
}

/** A mission that is done or archived is never due. */
function hasDueMoments({ state }: Mission): boolean {
  return state === 'active' || state === 'paused';
}

function viewOf(occurrence: Occurrence): OccurrenceView {
  const { dueMs, fate, atMs } = occurrence;
  const view = { dueAt: new Date(dueMs).toISOString(), fate, at: new Date(atMs).toISOString() };
  return occurrence.fate === 'skipped'
    ? { ...view, reason: occurrence.reason }
    : { ...view, runId: occurrence.runId };
}
