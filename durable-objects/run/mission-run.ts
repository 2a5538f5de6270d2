import type { GrantReason } from '../../src/grants/index.ts';
import { agentBusyUntilMs } from '../../src/missions/agent-gate.ts';
import { backOffMs } from '../../src/missions/back-off.ts';
import { type Hold, standingOf } from '../../src/missions/standing.ts';
import { adviceOf } from '../../src/model/llm-error.ts';
import type { Database } from '../../src/postgres/port.ts';
import { holdsFinished } from '../../src/sync/iterations.ts';
import type { RecordState } from '../../src/sync/merge.ts';
import { type RunIdentity, runIdentity } from '../../src/sync/write-back.ts';
import { createLogger } from '../../src/telemetry/logs.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import type { DispatcherPort } from '../bindings.ts';
import { AuditError, type AuditLog } from '../opening/audit-log.ts';
import { type GrantAccess, type OpenGrant, tokenOf } from '../opening/grant-access.ts';
import { GrantKeySetError } from '../opening/grant-key-set.ts';
import type { MissionStore } from '../projection/mission-store.ts';
import type { FinishedRun } from '../projection/occurrence-log.ts';
import type { MissionEntry, Projection } from '../projection/projection.ts';
import type { RunnerSettings } from '../settings.ts';
import { termsOf } from './basis.ts';
import { RunBudget } from './budget.ts';
import {
  type Checkpoint,
  dueRegister,
  isFinishedPlan,
  newCheckpoint,
  openStoredCheckpoint,
  saveCheckpoint,
} from './checkpoint.ts';
import { resolveInputs } from './inputs.ts';
import { planOf, zoneOf } from './plan-start.ts';
import { type PlanStop, RunPlanning } from './planning.ts';
import { type ReadMarks, RunRecords } from './records.ts';
import { researchFor } from './research.ts';
import type { ResearchJobs } from './research-jobs.ts';
import { openScope, type RunScope, type ScopeVerdict } from './scope.ts';
import type { TokenBudget } from './token-budget.ts';
import { WriteBack, writtenIteration } from './write-back.ts';

/**
 * How a turn at one mission ended. 'waits': nothing failed; the mission stays due and comes back by
 * itself.
 */
export type RunOutcome =
  | { kind: 'written'; plans: number; run: FinishedRun }
  | { kind: 'dropped' }
  | { kind: 'waits'; code: string }
  /**
   * decided by the records as of `revision` of the store; nothing failed, and the mission need not
   * come back before the hold ends
   */
  | { kind: 'held'; hold: Hold; revision: number }
  | { kind: 'failed'; code: string; unreadable: boolean };

/** A run under way; `records` knows what it has read. */
type Begun = { checkpoint: Checkpoint; scope: RunScope; records: RunRecords };

type Opened = { ok: true; begun: Begun } | { ok: false; outcome: RunOutcome };

/** 'changed': what the run rests on is no longer so, and nothing was written. */
type Attempted = RunOutcome | 'changed';

/** A mission that changes more often than this within one turn waits for the next one. */
const MOST_BEGINNINGS = 3;

export type MissionRunOptions = {
  userId: string;
  missionId: string;
  projection: Projection;
  store: MissionStore;
  database: Database;
  dispatcher: DispatcherPort;
  settings: RunnerSettings;
  grants: GrantAccess;
  audit: AuditLog;
  budget: TokenBudget;
  /** null: no research endpoint is configured */
  research: ResearchJobs | null;
  /** serialises work on the log within the object */
  exclusively: <T>(work: () => Promise<T>) => Promise<T>;
};

/** A grant that is not valid yet is looked at again after this time. */
const NOT_YET_VALID_WAIT_MS = 5 * 60_000;

/**
 * One run of one due mission: prepared, then planning (a checkpoint after each round), then
 * planned, then written. Every state is in the object's storage before the next step begins, so
 * that a crash repeats the call in flight at most.
 */
export class MissionRun {
  readonly #options: MissionRunOptions;
  readonly #log = createLogger({ component: 'mission-run' });
  readonly #writing: WriteBack;
  /** the store's revision of the records by which this run decides */
  #revision = 0;

  constructor(options: MissionRunOptions) {
    this.#options = options;
    this.#writing = new WriteBack({ ...options, timeZone: options.settings.timeZone });
  }

  /** Starts or resumes the run. Throws PostgresError where the log cannot be reached. */
  async continue(mostFailures: number): Promise<RunOutcome> {
    this.#revision = this.#options.store.revision;
    try {
      return await this.#continue(mostFailures);
    } catch (thrown) {
      if (thrown instanceof GrantKeySetError || thrown instanceof AuditError)
        return this.#postpone(thrown.code);
      throw thrown;
    }
  }

  /** What was paid for a run that begins anew counts: its tokens stand in the budget. */
  async #continue(mostFailures: number): Promise<RunOutcome> {
    for (let beginnings = 0; beginnings < MOST_BEGINNINGS; beginnings += 1) {
      const attempted = await this.#attempt(mostFailures);
      if (attempted !== 'changed') return attempted;
      this.#log.info('a run begins anew, because what it rests on has changed');
      this.#options.store.deleteRunOf(this.#options.missionId);
    }
    return { kind: 'waits', code: 'MISSION_CHANGED' };
  }

  async #attempt(mostFailures: number): Promise<Attempted> {
    const entry = this.#dueEntry();
    if (entry === null) return this.#drop();
    if (await this.#isWritten(entry)) return this.#moveOn();
    if (this.#isExhausted(mostFailures) && !this.#waitsForPostgres(entry))
      return this.#fail(entry, this.#lastCode());
    const obstacle = this.#agentObstacle(entry);
    if (obstacle !== null) return this.#hold(obstacle);
    const opened = await this.#openScope(entry);
    if (!opened.ok) return this.#refuse(entry, opened);
    const { scope } = opened;
    const run = await this.#openCheckpoint(entry, scope);
    if (!run.ok) return run.outcome;
    const { begun } = run;
    if (begun.checkpoint.finishedMs !== null) return this.#writeBack(begun);
    const permit = await this.#options.dispatcher.acquirePermit(this.#options.userId);
    if (permit !== 'granted')
      return { kind: 'waits', code: permit === 'llm-down' ? 'LLM_DOWN' : 'DRAINING' };
    if (!(await this.#isStillDue())) return this.#drop();
    const planned = await this.#planning(begun).plan();
    return planned.ok
      ? this.#writeBack({ ...begun, checkpoint: planned.checkpoint })
      : this.#stopped(planned.stop);
  }

  /** Whether all that the run rests on is as it was when its prompt was made. @throws PostgresError */
  async #stands({ checkpoint, scope, records }: Begun): Promise<boolean> {
    const { plan } = checkpoint;
    const entry = this.#options.projection.mission(this.#options.missionId);
    if (entry === null || !(await this.#termsHold(checkpoint, scope, entry))) return false;
    const change = await records.change();
    // A record that the person goes on editing must not be paid for again and again; one that is gone is sent no more.
    return change === 'none' || (change === 'changed' && plan !== null && plan.round > 0);
  }

  async #termsHold(
    { basis }: Checkpoint,
    { grant }: RunScope,
    entry: MissionEntry,
  ): Promise<boolean> {
    if (basis === null) return true;
    if (tokenOf(entry.mission.grant) !== (grant?.token ?? '')) return false;
    if ((entry.mission.grant === null) !== (grant === null)) return false;
    return basis.terms === (await this.#terms(entry, grant));
  }

  async #terms({ mission, agent }: MissionEntry, grant: OpenGrant | null): Promise<string> {
    const zone = zoneOf(mission, this.#options.settings);
    return termsOf({ mission, agent, zone, claims: grant?.claims ?? null });
  }

  /** The mission, if it is still due and its records put nothing in its way. */
  #dueEntry(): MissionEntry | null {
    const entry = this.#options.projection.mission(this.#options.missionId);
    if (entry === null) return null;
    const { status } = standingOf({ ...entry, nowMs: Date.now() });
    return status === 'queued' ? entry : null;
  }

  /**
   * If a mission is paused during its run, it gets the iteration and keeps its time; once resumed,
   * it is due by the same time again.
   */
  async #isWritten({ mission, state }: MissionEntry): Promise<boolean> {
    const { iterationId, rowId } = this.#identity(state);
    if (holdsFinished(mission.iterations, iterationId)) return true;
    // The person may have deleted the iteration since, and a restored database may have lost it.
    return (
      this.#options.store.hasRun(mission.id, iterationId) && this.#options.projection.holds(rowId)
    );
  }

  /**
   * The run is in the log already, so it is not paid for again: the mission goes to its next time.
   */
  async #moveOn(): Promise<RunOutcome> {
    const { exclusively, store, missionId } = this.#options;
    await exclusively(() =>
      this.#writing.moveOn(async (entry) => {
        const isOurs = this.#dueEntry() !== null && (await this.#isWritten(entry));
        return isOurs ? this.#identity(entry.state) : null;
      }),
    );
    store.deleteRunOf(missionId);
    return { kind: 'dropped' };
  }

  /**
   * Asked just before the first paid call: the wait for a permit may have been long, and a tab may
   * have begun the same mission.
   */
  async #isStillDue(): Promise<boolean> {
    await this.#options.exclusively(() => this.#options.projection.refreshPending());
    return this.#dueEntry() !== null;
  }

  /**
   * The hold that keeps the mission's agent from planning now. A run that has begun is not held
   * back.
   */
  #agentObstacle({ mission, agent }: MissionEntry): Hold | null {
    const { store, projection, budget } = this.#options;
    if (agent === null || store.runOf(mission.id) !== null) return null;
    const nowMs = Date.now();
    const others = projection.missionsUnderWay().map((entry) => entry.mission);
    const busyUntilMs = agentBusyUntilMs(
      agent,
      others.filter(({ id }) => id !== mission.id),
      nowMs,
    );
    const busy: Hold | null =
      busyUntilMs === null ? null : { reason: 'agent-busy', untilMs: busyUntilMs };
    const obstacle = busy ?? new RunBudget(budget, agent).obstacle(nowMs);
    metrics.agentDecisions.inc({ decision: obstacle?.reason ?? 'run' });
    return obstacle;
  }

  #hold(hold: Hold): RunOutcome {
    return { kind: 'held', hold, revision: this.#revision };
  }

  async #openScope(entry: MissionEntry): Promise<ScopeVerdict> {
    const { grants } = this.#options;
    const { mission } = entry;
    return openScope(
      entry,
      mission.grant === null ? null : await grants.open(mission.id, mission.grant),
    );
  }

  /** The run as far as it got, or a new one; an outcome where it cannot begin. */
  async #openCheckpoint(entry: MissionEntry, scope: RunScope): Promise<Opened> {
    const { mission, state } = entry;
    const identity = this.#identity(state);
    const stored = this.#options.store.runOf(mission.id);
    const kept =
      stored?.runId === identity.runId ? await openStoredCheckpoint(stored, scope.grant) : null;
    if (kept !== null) {
      const records = this.#records(scope, identity.iterationId, kept.basis?.records);
      const begun = { checkpoint: kept, scope, records };
      if (await this.#stands(begun)) {
        metrics.checkpointResumes.inc();
        return { ok: true, begun };
      }
      this.#options.store.deleteRunOf(mission.id);
    }
    return this.#begin(entry, scope);
  }

  async #begin(entry: MissionEntry, scope: RunScope): Promise<Opened> {
    const { state } = entry;
    const identity = this.#identity(state);
    const { runId, iterationId } = identity;
    // Told before anything is read: what changes while it is read counts as a change.
    const terms = await this.#terms(entry, scope.grant);
    const found = await researchFor(this.#options.research, {
      scope,
      state,
      runId,
      nowMs: Date.now(),
    });
    if (found.kind === 'pending')
      return {
        ok: false,
        outcome: this.#hold({ reason: 'research-pending', untilMs: found.untilMs }),
      };
    const { settings } = this.#options;
    const records = this.#records(scope, iterationId);
    const plan = await planOf({
      scope,
      records,
      found,
      settings,
      noteRefusals: (refusals) =>
        this.#options.store.saveRefusals(this.#options.missionId, refusals),
    });
    if (plan === null)
      return { ok: false, outcome: this.#withhold(scope.refusal ?? 'not-covered') };
    const basis = { terms, records: records.marks };
    const checkpoint = { ...newCheckpoint(identity, state), plan, basis };
    return { ok: true, begun: { checkpoint, scope, records } };
  }

  #identity(state: RecordState): RunIdentity {
    const { userId, missionId } = this.#options;
    return runIdentity({ userId, missionId, nextRunAt: dueRegister(state) });
  }

  #records(scope: RunScope, iterationId: string, marks: ReadMarks = {}): RunRecords {
    const { userId, database, audit, missionId } = this.#options;
    const context = { missionId, iterationId };
    return new RunRecords({ userId, database, audit, scope, context, marks });
  }

  #planning(begun: Begun): RunPlanning {
    const { checkpoint, scope, records } = begun;
    const { userId, store, dispatcher, settings, grants, budget } = this.#options;
    return new RunPlanning({
      userId,
      store,
      dispatcher,
      settings,
      grants,
      budget,
      records,
      checkpoint,
      scope,
      stands: (at) => this.#stands({ ...begun, checkpoint: at }),
    });
  }

  async #stopped(stop: PlanStop): Promise<Attempted> {
    switch (stop.kind) {
      case 'changed':
        return 'changed';
      case 'lapsed':
        return this.#withhold(stop.reason);
      case 'out-of-tokens':
        this.#options.store.deleteRunOf(this.#options.missionId);
        return this.#hold(stop.hold);
      case 'hopeless': {
        // The next attempt would be paid for and end the same way.
        const entry = this.#dueEntry();
        return entry === null ? this.#drop() : this.#fail(entry, stop.code);
      }
      default:
        return stop;
    }
  }

  #isExhausted(mostFailures: number): boolean {
    return (this.#options.store.attempt(this.#options.missionId)?.failures ?? 0) >= mostFailures;
  }

  /**
   * If PostgreSQL takes no row now (a lock, a missing right), a finished plan waits, however often
   * it was tried: it is paid for.
   */
  #waitsForPostgres({ mission, state }: MissionEntry): boolean {
    const stored = this.#options.store.runOf(mission.id);
    if (stored === null || stored.runId !== this.#identity(state).runId) return false;
    return this.#lastCode().startsWith('POSTGRES_') && isFinishedPlan(stored);
  }

  #lastCode(): string {
    return this.#options.store.attempt(this.#options.missionId)?.code ?? 'UNKNOWN';
  }

  /**
   * After too many failures of its own the mission says so in an iteration and moves on to its next
   * time.
   */
  async #fail({ state }: MissionEntry, code: string): Promise<Attempted> {
    const failure = { name: 'PlannerError', message: failureSentence(code) };
    const checkpoint = {
      ...newCheckpoint(this.#identity(state), state),
      finishedMs: Date.now(),
      failure,
    };
    await this.#save(checkpoint, null);
    return this.#write(checkpoint, null);
  }

  /**
   * Why the grant must not be used any more. Asked before each use, because a revocation counts at
   * once.
   */
  async #lapsed(grant: OpenGrant | null): Promise<GrantReason | null> {
    return grant === null ? null : this.#options.grants.lapsed(grant);
  }

  /**
   * If the grant itself was refused, each input that stays closed is audited with the reason, as
   * for a mission in plain text.
   */
  async #refuse(
    { mission, state }: MissionEntry,
    { reason, refusal }: ScopeVerdict & { ok: false },
  ): Promise<RunOutcome> {
    const scope = { mission, agent: null, grant: null, refusal };
    if (refusal !== null)
      await resolveInputs(
        mission.inputs,
        this.#records(scope, this.#identity(state).iterationId),
        [],
      );
    return this.#withhold(reason);
  }

  /**
   * The mission waits for a grant that opens what it needs. Nothing more is paid for, and what was
   * read is deleted.
   */
  #withhold(reason: GrantReason): RunOutcome {
    metrics.grantSkips.inc({ reason });
    if (reason === 'legacy-ciphertext')
      this.#options.store.saveRefusals(this.#options.missionId, [reason]);
    this.#options.store.deleteRunOf(this.#options.missionId);
    const untilMs = reason === 'not-yet-valid' ? Date.now() + NOT_YET_VALID_WAIT_MS : null;
    return this.#hold({ reason: 'grant-missing', untilMs });
  }

  /** Something that the run needs is away. That is no failure of the mission. */
  #postpone(code: string): RunOutcome {
    const entry = this.#options.projection.mission(this.#options.missionId);
    const runId = entry === null ? {} : { runId: this.#identity(entry.state).runId };
    this.#log.warn('a run was postponed', { ...runId, code });
    const untilMs = Date.now() + backOffMs(3, Math.random());
    return this.#hold({ reason: 'back-off', untilMs });
  }

  /** Writes a plan that rests on what is so; nothing else is shown to the person as planned for them. */
  async #writeBack(begun: Begun): Promise<Attempted> {
    const lapse = await this.#lapsed(begun.scope.grant);
    if (lapse !== null) return this.#withhold(lapse);
    return (await this.#stands(begun)) ? this.#write(begun.checkpoint, begun.scope) : 'changed';
  }

  /** `scope` null: of an iteration that holds nothing of the person's. */
  async #write(checkpoint: Checkpoint, scope: RunScope | null): Promise<Attempted> {
    const { exclusively, store, research, missionId, settings } = this.#options;
    const iteration = await writtenIteration(checkpoint, scope?.grant ?? null, settings.openStatus);
    const run = await exclusively(() =>
      this.#writing.iteration(checkpoint, iteration, async (entry) =>
        scope === null ? true : this.#termsHold(checkpoint, scope, entry),
      ),
    );
    if (run === 'changed') return run;
    store.deleteRunOf(missionId);
    research?.finish(missionId, checkpoint.identity.runId);
    if (run === null) return { kind: 'dropped' };
    return { kind: 'written', plans: checkpoint.plan === null ? 0 : 1, run };
  }

  /**
   * A mission that is no longer due is not run. If its plan is finished, it is written back all the
   * same.
   */
  async #drop(): Promise<RunOutcome> {
    const { store, projection, missionId } = this.#options;
    const stored = store.runOf(missionId);
    const entry = projection.mission(missionId);
    const opened = stored === null || entry === null ? null : await this.#openScope(entry);
    if (stored !== null && opened?.ok === true) {
      const checkpoint = await openStoredCheckpoint(stored, opened.scope.grant);
      if (checkpoint !== null && checkpoint.finishedMs !== null) {
        const { scope } = opened;
        const { iterationId } = checkpoint.identity;
        const records = this.#records(scope, iterationId, checkpoint.basis?.records);
        const written = await this.#writeBack({ checkpoint, scope, records });
        if (written !== 'changed') return written;
      }
    }
    store.deleteRunOf(missionId);
    return { kind: 'dropped' };
  }

  async #save(checkpoint: Checkpoint, grant: OpenGrant | null): Promise<void> {
    await saveCheckpoint(this.#options.store, this.#options.missionId, checkpoint, grant);
  }
}

/** Tells the person what failed, and what to change if the model is the cause. */
function failureSentence(code: string): string {
  const advice = adviceOf(code) ?? 'It failed several times in a row.';
  return `The mission could not be planned (${code}). ${advice}`;
}
