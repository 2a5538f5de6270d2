import { DurableObject } from 'cloudflare:workers';
import type { AuditQuery } from '../src/audit/queries.ts';
import type { AuditHead, AuditPage } from '../src/audit/row.ts';
import { backOffMs } from '../src/missions/back-off.ts';
import { withStepDigests } from '../src/missions/step-digest.ts';
import { missionStatus } from '../src/missions/status.ts';
import type { InternalMission, OwnerMission } from '../src/missions/views.ts';
import { isOfTheData, isOutage, PostgresError } from '../src/postgres/errors.ts';
import { pooledDatabase } from '../src/postgres/pooled-database.ts';
import type { DeviceRefusal } from '../src/sync/device-rows.ts';
import { createLogger } from '../src/telemetry/logs.ts';
import { metrics } from '../src/telemetry/metrics.ts';
import { AuditLog } from './opening/audit-log.ts';
import { type MissionCommand, writeForPerson } from './projection/device-write.ts';
import type { Dispatcher, TurnReport } from './dispatcher.ts';
import { GrantAccess } from './opening/grant-access.ts';
import { guarded } from './life/guarded.ts';
import { MissionRun, type RunOutcome } from './run/mission-run.ts';
import { type Hold, MissionStore } from './projection/mission-store.ts';
import { type FinishedRun, OccurrenceLog } from './projection/occurrence-log.ts';
import { type MissionEntry, Projection } from './projection/projection.ts';
import { ResearchJobs } from './run/research-jobs.ts';
import {
  DISPATCHER_NAME,
  EVENT_HUB_NAME,
  POOL_NAME,
  type RunnerEnv,
  type RunnerSettings,
} from './settings.ts';
import { TokenBudget } from './run/token-budget.ts';
import { eventsAfter, type MissionEvents } from './projection/watched-changes.ts';

/** `passing`: nothing is wrong with this user's log, the database cannot be reached. */
export type Refreshed =
  | { ok: true; nextDueMs: number | null }
  | { ok: false; code: string; message: string; passing: boolean };

/** `code`: why Postgres could not be asked. */
export type AuditAnswer = { ok: true; page: AuditPage } | { ok: false; code: string };

/** `mission` null: it is deleted. `written` is false where an earlier try had written it, or nothing had to change. */
export type CommandOutcome =
  | { ok: true; mission: OwnerMission | null; written: boolean }
  | { ok: false; refusal: DeviceRefusal | { code: 'POSTGRES_UNAVAILABLE' } };

/** After this many failures of its own in a row a mission gets a failed iteration and moves on to its next time. */
const MOST_FAILURES = 6;

/** Long enough for the answer of the last event to leave and for the next one to come. */
const LINGER_MS = 100;

type Dependencies = Awaited<ReturnType<Dispatcher['dependencies']>>;

const NO_TURN = { plansProduced: 0, plansWrittenBack: 0, parseFailures: 0, error: null } as const;

/**
 * One user's missions: the projection of their log, and the tick, which runs one due mission per admission.
 *
 * The object sleeps until the change feed refreshes it or the Dispatcher pokes it. A poke sets the alarm to now; the alarm runs
 * the tick and reports back, whatever happens. Ticks cannot overlap: the platform runs one alarm of an object at a time.
 */
export class UserMissions extends DurableObject<RunnerEnv> {
  readonly #settings: RunnerSettings;
  readonly #log = createLogger({ component: 'user-missions' });
  #tables: MissionStore | undefined;
  #audit: AuditLog | undefined;
  #tokens: TokenBudget | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #running: string | null = null;
  #eventsOpen = 0;

  constructor(ctx: DurableObjectState, env: RunnerEnv, settings: RunnerSettings) {
    super(ctx, env);
    this.#settings = settings;
  }

  /** Reads the user's changes from `since` (an instant of the log; null: all of it) and answers when a mission is due next. */
  async refresh(userId: string, since: string | null): Promise<Refreshed> {
    return this.#attended(() => this.#refresh(userId, since));
  }

  async #refresh(userId: string, since: string | null): Promise<Refreshed> {
    this.#remember(userId);
    const projection = this.#projection(userId);
    try {
      const present = await this.#inTurn(() => this.#read(projection, since));
      if (!present) return await this.#forget(projection);
      return { ok: true, nextDueMs: this.#nextDueMs() };
    } catch (thrown) {
      if (thrown instanceof PostgresError)
        return { ok: false, code: thrown.code, message: thrown.message, passing: isOutage(thrown) };
      this.#log.error('the log of a user could not be read', { code: 'USER_LOG_UNREADABLE' });
      return {
        ok: false,
        code: 'USER_LOG_UNREADABLE',
        message: 'the log of a user could not be read',
        passing: false,
      };
    }
  }

  /** The alarm is not told whose it is. Written once: a commit more costs a wait for the disk. */
  #remember(userId: string): void {
    if (this.#store.meta('user_id') !== userId) this.#store.setMeta('user_id', userId);
  }

  /** While a mission runs its record must not vanish for a moment: then the log is merged over what is there. */
  async #read(projection: Projection, since: string | null): Promise<boolean> {
    if (since !== null) return projection.refresh(since);
    return this.#running === null ? projection.rebuild() : projection.refresh('-infinity');
  }

  /** Admission: the tick starts in the object's own alarm, which outlives the caller and a crash. */
  async poke(userId: string): Promise<void> {
    this.#remember(userId);
    // Set anew even where one stands: after a kill or a let-go the time may be stored without anything that would fire it.
    await this.ctx.storage.setAlarm(Date.now());
  }

  async listMissions(userId: string): Promise<InternalMission[]> {
    return this.#attended(() => this.#list(userId, (entry, on) => this.#internalView(entry, on)));
  }

  async listMissionsForOwner(userId: string): Promise<OwnerMission[]> {
    return this.#attended(async () =>
      Promise.all(await this.#list(userId, async (entry, on) => this.#shown(userId, entry, on))),
    );
  }

  async #shown(userId: string, entry: MissionEntry, on: Dependencies): Promise<OwnerMission> {
    return this.#withGrant(userId, entry, await this.#ownerView(entry, on));
  }

  /** Where the grant cannot be judged now, the mission is shown without it. */
  async #withGrant(
    userId: string,
    { mission }: MissionEntry,
    view: OwnerMission,
  ): Promise<OwnerMission> {
    try {
      const grants = this.#grants(userId);
      const grant = await (view.reason === 'grant-missing'
        ? grants.viewOpened(mission.id, mission.grant)
        : grants.view(mission.id, mission.grant));
      return grant === undefined ? view : { ...view, grant };
    } catch (thrown) {
      this.#log.warn('a grant could not be judged', { code: codeOf(thrown) });
      return view;
    }
  }

  /** A page of the audit of what was opened for this user. */
  async audit(userId: string, query: AuditQuery): Promise<AuditAnswer> {
    return this.#attended(async (): Promise<AuditAnswer> => {
      try {
        return { ok: true, page: await this.#auditLog(userId).page(query) };
      } catch (thrown) {
        if (thrown instanceof PostgresError) return { ok: false, code: thrown.code };
        throw thrown;
      }
    });
  }

  /** Writes one change row for the person, as a device of theirs would. */
  async command(userId: string, request: MissionCommand): Promise<CommandOutcome> {
    return this.#attended(async () => {
      this.#store.setMeta('user_id', userId);
      const projection = this.#projection(userId);
      const writer = { userId, projection, defaultZone: this.#settings.timeZone };
      try {
        const outcome = await this.#inTurn(() => writeForPerson(writer, request));
        if (!outcome.ok) return outcome;
        if (outcome.written) await this.#tellOfChange(userId);
        return { ...outcome, mission: await this.#owned(userId, projection, request.missionId) };
      } catch (thrown) {
        if (!(thrown instanceof PostgresError)) throw thrown;
        this.#log.warn('a command of the device API could not be written', { code: thrown.code });
        return { ok: false, refusal: { code: 'POSTGRES_UNAVAILABLE' } };
      }
    });
  }

  /** The feed would learn of it too; a person who asked for a run should not wait for a poll. */
  async #tellOfChange(userId: string): Promise<void> {
    try {
      await this.#dispatcher().register([{ userId, dueMs: this.#nextDueMs() }]);
    } catch {
      // The feed registers it then.
    }
  }

  async #owned(
    userId: string,
    projection: Projection,
    missionId: string,
  ): Promise<OwnerMission | null> {
    const entry = projection.mission(missionId);
    return entry === null
      ? null
      : this.#shown(userId, entry, await this.#dispatcher().dependencies());
  }

  /** What changed for a stream of events, and that the hub wants to be told of changes until then. */
  async eventsAfter(userId: string, cursor: string, watchUntilMs: number): Promise<MissionEvents> {
    return this.#attended(async () => {
      this.#store.setMeta('user_id', userId);
      if (!this.#store.isComplete()) await this.#refresh(userId, null);
      this.#store.setMeta('watched_until', String(watchUntilMs));
      const projection = this.#projection(userId);
      const mission = (missionId: string) => this.#owned(userId, projection, missionId);
      return eventsAfter(
        { store: this.#store, mission, newEpoch: () => Date.now().toString(36) },
        cursor,
      );
    });
  }

  /** Streams are told once an event has changed what they show. */
  #tellStreams(revisionBefore: number): void {
    if (this.#tables === undefined || this.#store.revision === revisionBefore) return;
    const userId = this.#store.meta('user_id');
    if (userId === null || Number(this.#store.meta('watched_until') ?? 0) < Date.now()) return;
    const hub = this.env.EVENT_HUB.getByName(EVENT_HUB_NAME);
    this.ctx.waitUntil(hub.notify(userId).catch(() => undefined));
  }

  override async alarm(): Promise<void> {
    // A turn that could not be reported leaves its lease to run out; the user is then admitted again.
    await guarded(this.#log, () => this.#attended(() => this.#takeTurn()));
  }

  async #takeTurn(): Promise<void> {
    const userId = this.#store.meta('user_id');
    if (userId === null) return;
    const report = await this.#tick(userId);
    // Taken off in the commit of the turn's last write, not in one of its own: until the report has arrived the agenda stands for it.
    await this.ctx.storage.deleteAlarm();
    await this.#dispatcher().release(report);
  }

  async #tick(userId: string): Promise<TurnReport> {
    metrics.ticks.inc();
    const startedMs = Date.now();
    const ended = { userId, ...NO_TURN };
    try {
      const projection = this.#projection(userId);
      const present = await this.#inTurn(() => projection.refreshPending());
      if (!present) {
        await this.#forget(projection);
        return { ...ended, nextDueMs: null, turn: 'nothing-due' };
      }
      this.#clearUserBackOff();
      const next = this.#store.nextDue();
      if (next === null || next.readyMs > Date.now())
        return { ...ended, nextDueMs: next?.readyMs ?? null, turn: 'nothing-due' };
      return await this.#runMission(userId, projection, next.missionId);
    } catch (thrown) {
      return this.#postponed(userId, thrown);
    } finally {
      metrics.tickDurationSeconds.observe((Date.now() - startedMs) / 1_000);
    }
  }

  /** While Postgres is down for all, the Dispatcher's one back-off decides who comes back when. */
  #postponed(userId: string, thrown: unknown): TurnReport {
    const code = codeOf(thrown);
    this.#log.warn('a turn was postponed', { code });
    const report = { userId, ...NO_TURN, turn: 'postponed', error: code } as const;
    if (!(thrown instanceof PostgresError) || !isOutage(thrown))
      return { ...report, nextDueMs: this.#backOffUser() };
    const postgresOutage = { code, message: thrown.message };
    return { ...report, nextDueMs: this.#nextDueMs() ?? Date.now(), postgresOutage };
  }

  async #runMission(
    userId: string,
    projection: Projection,
    missionId: string,
  ): Promise<TurnReport> {
    this.#running = missionId;
    try {
      const run = new MissionRun({
        userId,
        missionId,
        projection,
        store: this.#store,
        database: this.#database(),
        dispatcher: this.#dispatcher(),
        settings: this.#settings,
        grants: this.#grants(userId),
        audit: this.#auditLog(userId),
        budget: this.#budget,
        research: this.#research(userId),
        exclusively: (work) => this.#inTurn(work),
      });
      const outcome = await run
        .continue(MOST_FAILURES)
        .catch((thrown: unknown) => this.#ownFailure(missionId, thrown));
      return this.#settle(userId, projection, missionId, outcome);
    } finally {
      this.#running = null;
    }
  }

  /** What goes wrong in a run while Postgres serves others is this mission's trouble: its user's other missions go on. */
  #ownFailure(missionId: string, thrown: unknown): RunOutcome {
    if (thrown instanceof PostgresError && isOutage(thrown)) throw thrown;
    const code =
      thrown instanceof PostgresError && isOfTheData(thrown) ? 'DATA_REFUSED' : codeOf(thrown);
    const runId = this.#store.runOf(missionId)?.runId;
    this.#log.warn('a run broke off', { code, ...(runId === undefined ? {} : { runId }) });
    return { kind: 'failed', code, unreadable: false };
  }

  #settle(
    userId: string,
    projection: Projection,
    missionId: string,
    outcome: RunOutcome,
  ): TurnReport {
    projection.updateDue(missionId);
    if (outcome.kind === 'written') this.#noteRun(projection, missionId, outcome.run);
    if (outcome.kind === 'failed') this.#recordFailure(missionId, outcome.code);
    else if (outcome.kind === 'held') this.#hold(missionId, outcome);
    else if (outcome.kind === 'waits') this.#store.noteTurn(missionId, Date.now());
    else this.#store.clearAttempt(missionId);
    return { userId, nextDueMs: this.#nextDueMs(), ...turnOf(outcome) };
  }

  #noteRun(projection: Projection, missionId: string, run: FinishedRun): void {
    const entry = projection.mission(missionId);
    if (entry !== null) this.#occurrences().ran(entry.mission, run, Date.now());
  }

  /** A change that arrived after the run had looked may be the very thing it waits for. */
  #hold(missionId: string, { hold, revision }: { hold: Hold; revision: number }): void {
    if (revision === this.#store.revision) this.#store.saveHold(missionId, hold);
  }

  #recordFailure(missionId: string, code: string): void {
    metrics.missionErrors.inc();
    const failures = (this.#store.attempt(missionId)?.failures ?? 0) + 1;
    this.#store.saveAttempt(missionId, {
      failures,
      code,
      retryAtMs: Date.now() + backOffMs(failures, Math.random()),
    });
  }

  /** What goes wrong before a mission is chosen holds the whole user back. */
  #backOffUser(): number {
    const failures = Number(this.#store.meta('turn_failures') ?? 0) + 1;
    this.#store.setMeta('turn_failures', String(failures));
    return Date.now() + backOffMs(failures, Math.random());
  }

  #clearUserBackOff(): void {
    if ((this.#store.meta('turn_failures') ?? '0') !== '0')
      this.#store.setMeta('turn_failures', '0');
  }

  #nextDueMs(): number | null {
    return this.#store.nextDue()?.readyMs ?? null;
  }

  /** A user who is gone leaves nothing behind here. */
  async #forget(projection: Projection): Promise<Refreshed> {
    await projection.forget();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.#tables = undefined;
    this.#tokens = undefined;
    return { ok: true, nextDueMs: null };
  }

  /**
   * Empties this object for good and ends it, and with it whatever of the person's is under way: a run that went on would store and write
   * again. The caller therefore meets a reset, and asks `isEmpty` of the object's next life.
   */
  async empty(): Promise<void> {
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    await this.ctx.storage.sync();
    this.ctx.abort('the person is forgotten');
  }

  /** Whether nothing at all is stored here. Stores nothing itself. */
  async isEmpty(): Promise<boolean> {
    return this.#attended(async () => {
      const tables = this.ctx.storage.sql.exec(
        `select 1 from sqlite_master where name not like '\\_cf\\_%' escape '\\' limit 1`,
      );
      return tables.toArray().length === 0 && (await this.ctx.storage.getAlarm()) === null;
    });
  }

  #internalView(entry: MissionEntry, on: Dependencies): InternalMission {
    const { mission } = entry;
    return {
      id: mission.id,
      title: mission.title.slice(0, 200),
      state: mission.state,
      nextRunAt: mission.nextRunAt.kind === 'at' ? mission.nextRunAt.iso : null,
      ...this.#liveStatus(entry, on),
    };
  }

  async #ownerView(entry: MissionEntry, on: Dependencies): Promise<OwnerMission> {
    const { mission } = entry;
    return {
      ...this.#internalView(entry, on),
      title: mission.title,
      objective: mission.objective,
      cadence: mission.cadence.ok ? mission.cadence.cadence : null,
      occurrences: this.#occurrences().view(entry, Date.now()),
      iterations: await withStepDigests(mission.iterations),
    };
  }

  #liveStatus(entry: MissionEntry, on: Dependencies): Pick<InternalMission, 'status' | 'reason'> {
    const nowMs = Date.now();
    const { status, reason, dueAtMs } = missionStatus({ ...entry, nowMs });
    if (this.#running === entry.mission.id) return { status: 'running' };
    if (dueAtMs === null || dueAtMs > nowMs)
      return reason === undefined ? { status } : { status, reason };
    const hold = this.#store.hold(entry.mission.id);
    if (hold !== null && (hold.untilMs === null || hold.untilMs > nowMs))
      return { status: 'waiting', reason: hold.reason };
    const attempt = this.#store.attempt(entry.mission.id);
    if (attempt !== null && attempt.retryAtMs > nowMs)
      return { status: 'waiting', reason: 'back-off' };
    if (!on.postgres.ok) return { status: 'waiting', reason: 'postgres-down' };
    if (!on.llm.ok) return { status: 'waiting', reason: 'llm-down' };
    if (Number(this.#store.meta('turn_failures') ?? 0) > 0)
      return { status: 'waiting', reason: 'back-off' };
    return { status: 'queued' };
  }

  /** A list asked for before the feed has come by reads the log first; where that fails, what is known is shown. */
  async #list<View>(
    userId: string,
    view: (entry: MissionEntry, on: Dependencies) => View,
  ): Promise<View[]> {
    if (!this.#store.isComplete()) await this.#refresh(userId, null);
    const dependencies = await this.#dispatcher().dependencies();
    return this.#projection(userId)
      .missions()
      .map((entry) => view(entry, dependencies));
  }

  async #attended<T>(work: () => Promise<T>): Promise<T> {
    this.#eventsOpen += 1;
    const revisionBefore = this.#tables?.revision ?? 0;
    try {
      return await work();
    } finally {
      this.#eventsOpen -= 1;
      this.#tellStreams(revisionBefore);
      this.ctx.waitUntil(this.#letGo());
    }
  }

  /**
   * Leaves memory once nothing is going on: an object costs 240 KB and workerd would keep it for 10 s, which a herd cannot afford.
   * Without sync() the event's writes would be lost; close to an alarm the abort would race it.
   */
  async #letGo(): Promise<void> {
    await this.ctx.storage.sync();
    await scheduler.wait(LINGER_MS);
    const alarmMs = await this.ctx.storage.getAlarm();
    if (this.#eventsOpen > 0 || (alarmMs !== null && alarmMs < Date.now() + 2_000)) return;
    this.ctx.abort('nothing is going on in this object');
  }

  /** Made on first use, so that an object which emptied itself stays empty. */
  get #store(): MissionStore {
    this.#tables ??= new MissionStore(this.ctx.storage.sql);
    return this.#tables;
  }

  /** One for all runs of the object: it knows which calls are open. */
  get #budget(): TokenBudget {
    this.#tokens ??= new TokenBudget(this.ctx.storage.sql);
    return this.#tokens;
  }

  #research(userId: string): ResearchJobs | null {
    const { research } = this.#settings;
    return research === null
      ? null
      : new ResearchJobs(this.ctx.storage.sql, { ...research, userId });
  }

  #projection(userId: string): Projection {
    const { timeZone } = this.#settings;
    return new Projection({ userId, store: this.#store, database: this.#database(), timeZone });
  }

  #occurrences(): OccurrenceLog {
    return new OccurrenceLog({ store: this.#store, timeZone: this.#settings.timeZone });
  }

  /** One for all runs of the object: it makes them take turns at the chain. */
  #auditLog(userId: string): AuditLog {
    this.#audit ??= new AuditLog({
      userId,
      database: this.#database(),
      head: {
        read: () => JSON.parse(this.#store.meta('audit_head') ?? 'null') as AuditHead | null,
        write: (head) => this.#store.setMeta('audit_head', JSON.stringify(head)),
      },
    });
    return this.#audit;
  }

  #database(): ReturnType<typeof pooledDatabase> {
    return pooledDatabase(this.env.POSTGRES_POOL.getByName(POOL_NAME));
  }

  #grants(userId: string): GrantAccess {
    const modelLocality = async (): Promise<'local' | 'remote'> =>
      this.#dispatcher().modelLocality();
    return new GrantAccess({
      userId,
      database: this.#database(),
      settings: this.#settings.grants,
      modelLocality,
    });
  }

  #dispatcher(): DurableObjectStub<Dispatcher> {
    return this.env.DISPATCHER.getByName(DISPATCHER_NAME);
  }

  /** Reading the log and writing to it never interleave in one object. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const earlier = this.#queue;
    const mine = (async () => {
      await earlier.catch(() => undefined);
      return work();
    })();
    this.#queue = mine.catch(() => undefined);
    return mine;
  }
}

function turnOf(outcome: RunOutcome): Omit<TurnReport, 'userId' | 'nextDueMs'> {
  switch (outcome.kind) {
    case 'written':
      return { ...NO_TURN, turn: 'planned', plansProduced: outcome.plans, plansWrittenBack: 1 };
    case 'dropped':
    case 'held':
      return { ...NO_TURN, turn: 'nothing-due' };
    case 'waits':
      return { ...NO_TURN, turn: 'postponed', error: outcome.code };
    case 'failed':
      return {
        ...NO_TURN,
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
