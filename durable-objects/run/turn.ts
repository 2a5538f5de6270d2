import { backOffMs } from '../../src/missions/back-off.ts';
import type { Hold } from '../../src/missions/standing.ts';
import { isOfTheData, isOutage, PostgresError } from '../../src/postgres/errors.ts';
import { createLogger } from '../../src/telemetry/logs.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import type { TurnReport } from '../admission/turn-report.ts';
import type { WorkQueue } from '../life/work-queue.ts';
import type { MissionStore } from '../projection/mission-store.ts';
import type { FinishedRun, OccurrenceLog } from '../projection/occurrence-log.ts';
import type { Projection } from '../projection/projection.ts';
import type { RunOutcome } from './mission-run.ts';

/**
 * After this many failures of its own in a row a mission gets a failed iteration and moves on to
 * its next time.
 */
const MOST_FAILURES = 6;

const NO_RUN = { plansProduced: 0, plansWrittenBack: 0, parseFailures: 0, error: null } as const;

export type TurnPorts = {
  userId: string;
  store: MissionStore;
  projection: Projection;
  occurrences: OccurrenceLog;
  queue: WorkQueue;
  /** starts or resumes the mission's run; `mostFailures` in a row make it give up */
  run: (missionId: string, mostFailures: number) => Promise<RunOutcome>;
  /** empties the object of a user who has no rows left */
  forget: () => Promise<void>;
  /** whether what was thrown tells that the object's storage is damaged */
  isDamaged: (thrown: unknown) => boolean;
};

type Choice =
  | { kind: 'gone' }
  | { kind: 'nothing-due'; nextDueMs: number | null }
  | { kind: 'run'; missionId: string };

/**
 * The turns of one user: each reads what is new in the log and gives the mission that is ready
 * first its run.
 */
export class Turns {
  readonly #ports: TurnPorts;
  readonly #log = createLogger({ component: 'user-missions' });
  #runningMissionId: string | null = null;

  constructor(ports: TurnPorts) {
    this.#ports = ports;
  }

  /** The mission that runs at this moment, or null. */
  get runningMissionId(): string | null {
    return this.#runningMissionId;
  }

  /**
   * Takes one turn. What goes wrong in it is in the report; only a fault of the object's own
   * storage is thrown.
   */
  async take(): Promise<TurnReport> {
    metrics.ticks.inc();
    const startedMs = Date.now();
    try {
      return await this.#take();
    } catch (thrown) {
      if (this.#ports.isDamaged(thrown)) throw thrown;
      return this.#postponed(thrown);
    } finally {
      this.#runningMissionId = null;
      metrics.tickDurationSeconds.observe((Date.now() - startedMs) / 1_000);
    }
  }

  async #take(): Promise<TurnReport> {
    const { userId, queue, forget } = this.#ports;
    const nothingDue = { userId, ...NO_RUN, turn: 'nothing-due' } as const;
    const choice = await queue.run(() => this.#choose());
    if (choice.kind === 'run') return this.#runMission(choice.missionId);
    if (choice.kind === 'gone') await forget();
    return { ...nothingDue, nextDueMs: choice.kind === 'gone' ? null : choice.nextDueMs };
  }

  /**
   * In one piece with the refresh: a rebuild that is queued behind it empties the cache for a
   * while, unless a mission runs.
   */
  async #choose(): Promise<Choice> {
    const { store, projection } = this.#ports;
    if (!(await projection.refreshPending())) return { kind: 'gone' };
    store.clearTurnFailures();
    const next = store.nextDue();
    if (next === null || next.readyMs > Date.now())
      return { kind: 'nothing-due', nextDueMs: next?.readyMs ?? null };
    this.#runningMissionId = next.missionId;
    return { kind: 'run', missionId: next.missionId };
  }

  async #runMission(missionId: string): Promise<TurnReport> {
    const outcome = await this.#ports
      .run(missionId, MOST_FAILURES)
      .catch((thrown: unknown) => this.#ownFailure(missionId, thrown));
    return this.#settle(missionId, outcome);
  }

  /**
   * If PostgreSQL serves others, what goes wrong in a run is this mission's trouble: its user's
   * other missions go on.
   */
  #ownFailure(missionId: string, thrown: unknown): RunOutcome {
    if (thrown instanceof PostgresError && isOutage(thrown)) throw thrown;
    if (this.#ports.isDamaged(thrown)) throw thrown;
    const isDataRefused = thrown instanceof PostgresError && isOfTheData(thrown);
    const code = isDataRefused ? 'DATA_REFUSED' : codeOf(thrown);
    const runId = this.#ports.store.runOf(missionId)?.runId;
    this.#log.warn('a run broke off', { code, ...(runId === undefined ? {} : { runId }) });
    return { kind: 'failed', code, unreadable: false };
  }

  #settle(missionId: string, outcome: RunOutcome): TurnReport {
    const { userId, store, projection } = this.#ports;
    projection.updateDue(missionId);
    if (outcome.kind === 'written') this.#noteRun(missionId, outcome.run);
    if (outcome.kind === 'failed') this.#recordFailure(missionId, outcome.code);
    else if (outcome.kind === 'held') this.#hold(missionId, outcome);
    else if (outcome.kind === 'waits') store.noteTurn(missionId, Date.now());
    else store.clearAttempt(missionId);
    return { userId, nextDueMs: store.nextDue()?.readyMs ?? null, ...turnOf(outcome) };
  }

  #noteRun(missionId: string, run: FinishedRun): void {
    const { projection, occurrences } = this.#ports;
    const entry = projection.mission(missionId);
    if (entry !== null) occurrences.ran(entry.mission, run, Date.now());
  }

  /**
   * A change that arrived after the run had looked may be the very thing that the run waits for.
   */
  #hold(missionId: string, { hold, revision }: { hold: Hold; revision: number }): void {
    const { store } = this.#ports;
    if (revision === store.revision) store.saveHold(missionId, hold);
  }

  #recordFailure(missionId: string, code: string): void {
    const { store } = this.#ports;
    metrics.missionErrors.inc();
    const failures = (store.attempt(missionId)?.failures ?? 0) + 1;
    const retryAtMs = Date.now() + backOffMs(failures, Math.random());
    store.saveAttempt(missionId, { failures, code, retryAtMs });
  }

  /**
   * If PostgreSQL is down for all, the Dispatcher's one back-off decides who comes back when; if
   * not, the user's own does.
   */
  #postponed(thrown: unknown): TurnReport {
    const { userId, store } = this.#ports;
    const code = codeOf(thrown);
    this.#log.warn('a turn was postponed', { code });
    const report = { userId, ...NO_RUN, turn: 'postponed', error: code } as const;
    if (thrown instanceof PostgresError && isOutage(thrown)) {
      const nextDueMs = store.nextDue()?.readyMs ?? Date.now();
      return { ...report, nextDueMs, postgresOutage: { code, message: thrown.message } };
    }
    const failures = store.turnFailures() + 1;
    store.saveTurnFailures(failures);
    return { ...report, nextDueMs: Date.now() + backOffMs(failures, Math.random()) };
  }
}

function turnOf(outcome: RunOutcome): Omit<TurnReport, 'userId' | 'nextDueMs'> {
  switch (outcome.kind) {
    case 'written':
      return { ...NO_RUN, turn: 'planned', plansProduced: outcome.plans, plansWrittenBack: 1 };
    case 'dropped':
    case 'held':
      return { ...NO_RUN, turn: 'nothing-due' };
    case 'waits':
      return { ...NO_RUN, turn: 'postponed', error: outcome.code };
    case 'failed':
      return {
        ...NO_RUN,
        turn: 'failed',
        parseFailures: outcome.unreadable ? 1 : 0,
        error: outcome.code,
      };
    default:
      return outcome satisfies never;
  }
}

function codeOf(thrown: unknown): string {
  return thrown instanceof PostgresError ? thrown.code : 'INTERNAL';
}
