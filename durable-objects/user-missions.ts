import { DurableObject } from 'cloudflare:workers';
import type { AuditQuery } from '../src/audit/queries.ts';
import type { Agent } from '../src/missions/agent.ts';
import type {
  InternalMission,
  IterationPage,
  MissionPage,
  OwnerAgent,
  OwnerMission,
  PagedMission,
} from '../src/missions/views.ts';
import { isOutage, PostgresError } from '../src/postgres/errors.ts';
import { pooledDatabase } from '../src/postgres/pooled-database.ts';
import type { Database } from '../src/postgres/port.ts';
import { createLogger } from '../src/telemetry/logs.ts';
import { metrics } from '../src/telemetry/metrics.ts';
import {
  type DispatcherPort,
  DISPATCHER_NAME,
  EVENT_HUB_NAME,
  POOL_NAME,
  type RunnerEnv,
  type UserPort,
} from './bindings.ts';
import { isDamaged } from './life/damage.ts';
import { guarded } from './life/guarded.ts';
import { nameOf } from './life/name.ts';
import { OpenEvents } from './life/open-events.ts';
import { WorkQueue } from './life/work-queue.ts';
import { type AuditAnswer, AuditLog } from './opening/audit-log.ts';
import { GrantAccess } from './opening/grant-access.ts';
import { type AgentOutcome, type AgentRequest, changeAgentOf } from './projection/agent-write.ts';
import {
  type CommandOutcome,
  type MissionCommand,
  writeForPerson,
} from './projection/device-write.ts';
import { iterationsBefore, newestOf, pageOf, WHOLE } from './projection/mission-pages.ts';
import { MissionStore } from './projection/mission-store.ts';
import { MissionView, type Surroundings } from './projection/mission-view.ts';
import { OccurrenceLog } from './projection/occurrence-log.ts';
import { type MissionEntry, Projection } from './projection/projection.ts';
import { ReviewFactReader } from './projection/review-facts.ts';
import { type Refreshed, UNREADABLE_LOG } from './projection/refreshed.ts';
import { eventsAfter, type MissionEvents } from './projection/watched-changes.ts';
import { MissionRun, type RunOutcome } from './run/mission-run.ts';
import { ResearchJobs } from './run/research-jobs.ts';
import { TokenBudget } from './run/token-budget.ts';
import { Turns } from './run/turn.ts';
import type { RunnerSettings } from './settings.ts';

/** What works on one user's storage and log. Made once for each life of the object in memory. */
type Parts = {
  database: Database;
  store: MissionStore;
  projection: Projection;
  facts: ReviewFactReader;
  view: MissionView;
  grants: GrantAccess;
  audit: AuditLog;
  budget: TokenBudget;
  /** null: no research endpoint is configured */
  research: ResearchJobs | null;
  turns: Turns;
};

/**
 * One user's missions: the projection of their log, and the tick, which runs one ready mission per
 * admission. The object's name is the user's id.
 *
 * The object sleeps until the change feed refreshes it or the Dispatcher pokes it. A poke sets the
 * alarm to now; the alarm runs the tick, and the tick reports its end to the Dispatcher whatever
 * happens. Ticks cannot overlap, because the platform runs one alarm of an object at a time.
 */
export class UserMissions extends DurableObject<RunnerEnv> implements UserPort {
  readonly #settings: RunnerSettings;
  readonly #userId: string;
  readonly #log = createLogger({ component: 'user-missions' });
  readonly #events = new OpenEvents();
  /** reading the log and writing to it never interleave */
  readonly #queue = new WorkQueue();
  #opened: Parts | undefined;

  constructor(ctx: DurableObjectState, env: RunnerEnv, settings: RunnerSettings) {
    super(ctx, env);
    this.#settings = settings;
    this.#userId = nameOf(ctx.id);
  }

  /**
   * Reads the user's changes from `since` (an instant of the log; null: all of it) and answers when
   * a mission is due next.
   */
  async refresh(since: string | null): Promise<Refreshed> {
    return this.#attended(() => this.#refresh(since));
  }

  /**
   * Admission: the tick starts in the object's own alarm, which outlives the caller and a crash.
   */
  async poke(): Promise<void> {
    // Set anew even if one is set: after a kill or an abort its time may be stored without anything
    // that would fire it. Attended: an object about to leave memory would take the alarm with it.
    return this.#attended(() => this.ctx.storage.setAlarm(Date.now()));
  }

  async listMissions(): Promise<InternalMission[]> {
    return this.#attended(async () => {
      const [entries, around] = await this.#list();
      return entries.map((entry) => this.#parts.view.internal(entry, around));
    });
  }

  /** All missions with all their iterations, or a page of them by their ids, with the newest iterations. */
  async listMissionsForOwner(page: MissionPage = WHOLE): Promise<OwnerMission[]> {
    return this.#attended(async () => {
      const [entries, around] = await this.#list();
      const shown = pageOf(entries, page);
      const view = (entry: MissionEntry): Promise<OwnerMission> =>
        this.#parts.view.owned(entry, around, newestOf(entry, page.iterations));
      return Promise.all(shown.map(view));
    });
  }

  /** One mission with a page of its iterations, the newest last; null where there is no such mission. */
  async missionForOwner(missionId: string, page: IterationPage): Promise<PagedMission | null> {
    return this.#attended(async () => {
      await this.#readOnce();
      const entry = this.#parts.projection.mission(missionId);
      if (entry === null) return null;
      const { iterations, next } = iterationsBefore(entry, page);
      const around = await this.#surroundings();
      return { mission: await this.#parts.view.owned(entry, around, iterations), next };
    });
  }

  /** The person's agents, with what they spent. */
  async listAgents(): Promise<OwnerAgent[]> {
    return this.#attended(async () => {
      await this.#readOnce();
      return this.#parts.projection.agents().map((agent) => this.#ownerAgent(agent));
    });
  }

  /** Changes an agent as a device of the person would; null where there is none. */
  async changeAgent(request: AgentRequest): Promise<AgentOutcome> {
    return this.#attended(async (): Promise<AgentOutcome> => {
      try {
        const { projection } = this.#parts;
        const writer = { userId: this.#userId, projection };
        const { agent, nextDueMs } = await this.#queue.run(async () => {
          const changed = await changeAgentOf(writer, request);
          return { agent: changed, nextDueMs: this.#nextDueMs() };
        });
        if (agent !== null) await this.#registerNow(nextDueMs);
        return { ok: true, agent: agent === null ? null : this.#ownerAgent(agent) };
      } catch (thrown) {
        if (!(thrown instanceof PostgresError)) throw thrown;
        this.#log.warn('a change of an agent could not be written', { code: thrown.code });
        return { ok: false };
      }
    });
  }

  #ownerAgent({
    id,
    name,
    role,
    state,
    maxConcurrentMissions,
    maxTokensPerDay,
  }: Agent): OwnerAgent {
    const usedTokens24h = this.#parts.budget.used(id, Date.now());
    return { id, name, role, state, maxConcurrentMissions, maxTokensPerDay, usedTokens24h };
  }

  /** A page of the audit of what was opened for this user. */
  async audit(query: AuditQuery): Promise<AuditAnswer> {
    return this.#attended(async (): Promise<AuditAnswer> => {
      try {
        return { ok: true, page: await this.#parts.audit.page(query) };
      } catch (thrown) {
        if (thrown instanceof PostgresError) return { ok: false, code: thrown.code };
        throw thrown;
      }
    });
  }

  /** Writes one change row for the person, as a device of theirs would. */
  async command(request: MissionCommand): Promise<CommandOutcome> {
    return this.#attended(async () => {
      try {
        return await this.#command(request);
      } catch (thrown) {
        if (!(thrown instanceof PostgresError)) throw thrown;
        this.#log.warn('a command of the device API could not be written', { code: thrown.code });
        return { ok: false, refusal: { code: 'POSTGRES_UNAVAILABLE' } };
      }
    });
  }

  /** The IANA zone that the person is in: cadences that name none are meant by that clock. */
  async noteTimeZone(zone: string): Promise<void> {
    await this.#attended(async () => this.#parts.store.saveTimeZone(zone));
  }

  /**
   * What changed for a stream of events, and that the hub wants to be told of changes until then
   * (ms).
   */
  async eventsAfter(cursor: string, watchUntilMs: number): Promise<MissionEvents> {
    return this.#attended(async () => {
      await this.#readOnce();
      const { store } = this.#parts;
      store.watchUntil(watchUntilMs);
      const mission = (missionId: string): Promise<OwnerMission | null> => this.#owned(missionId);
      return eventsAfter({ store, mission, newEpoch }, cursor);
    });
  }

  override async alarm(): Promise<void> {
    // If a turn cannot be reported, its lease runs out and the user is admitted again.
    await guarded(this.#log, () => this.#attended(() => this.#tick()));
  }

  /** Answers if the object could be opened; asks nothing of its storage. */
  async ping(): Promise<void> {}

  /** Ends if the disk takes a write. Leaves nothing behind. @throws where it does not */
  async tryDisk(): Promise<void> {
    await this.ctx.storage.put('probe', true);
    await this.ctx.storage.sync();
    await this.ctx.storage.deleteAll();
  }

  /**
   * The next event reads the whole log: what was merged may be what keeps this object from its
   * turns.
   */
  async forgetCache(): Promise<void> {
    await this.#attended(async () => this.#parts.store.clearCache());
  }

  /**
   * Empties this object for good and ends it, and with it whatever of the person's is under way: a
   * run that went on would store and write again. The caller therefore meets a reset, and asks
   * `isEmpty` of the object's next life.
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

  async #tick(): Promise<void> {
    const report = await this.#parts.turns.take();
    // Deleted in the commit of the turn's last write, not in one of its own: until the report has
    // arrived, the agenda keeps the user.
    await this.ctx.storage.deleteAlarm();
    await this.#dispatcher().release(report);
  }

  async #refresh(since: string | null): Promise<Refreshed> {
    try {
      // Asked in one piece with the read: a rebuild that is queued behind it empties the list of
      // due missions for a while.
      const read = await this.#queue.run(async () => {
        return { present: await this.#read(since), nextDueMs: this.#nextDueMs() };
      });
      if (!read.present) await this.#forget();
      return { ok: true, nextDueMs: read.present ? read.nextDueMs : null };
    } catch (thrown) {
      if (isDamaged(this.ctx.storage.sql, thrown)) throw thrown;
      if (thrown instanceof PostgresError)
        return { ok: false, code: thrown.code, message: thrown.message, passing: isOutage(thrown) };
      this.#log.error(UNREADABLE_LOG.message, { code: UNREADABLE_LOG.code });
      return UNREADABLE_LOG;
    }
  }

  /**
   * While a mission runs its record must not vanish for a moment: then the log is merged over what
   * is there.
   */
  async #read(since: string | null): Promise<boolean> {
    const { projection, turns } = this.#parts;
    if (since !== null) return projection.refresh(since);
    return turns.runningMissionId === null ? projection.rebuild() : projection.refresh('-infinity');
  }

  async #command(request: MissionCommand): Promise<CommandOutcome> {
    const { projection, facts, store } = this.#parts;
    const writer = {
      userId: this.#userId,
      projection,
      toldZone: store.timeZone(),
      defaultZone: this.#timeZone(),
      facts,
    };
    const { outcome, entry, nextDueMs } = await this.#queue.run(async () => {
      const written = await writeForPerson(writer, request);
      const newest = projection.mission(request.missionId);
      return { outcome: written, entry: newest, nextDueMs: this.#nextDueMs() };
    });
    if (!outcome.ok) return outcome;
    if (outcome.written) await this.#registerNow(nextDueMs);
    return { ...outcome, mission: entry === null ? null : await this.#shown(entry) };
  }

  /**
   * The feed would register it too, but a person who asked for a run should not wait for a poll.
   */
  async #registerNow(dueMs: number | null): Promise<void> {
    try {
      await this.#dispatcher().register([{ userId: this.#userId, dueMs }]);
    } catch {
      // The feed registers it then.
    }
  }

  /**
   * A list that is asked for before the feed has come by reads the log first; if that fails, what
   * is known is shown.
   */
  async #list(): Promise<[readonly MissionEntry[], Surroundings]> {
    await this.#readOnce();
    const around = await this.#surroundings();
    return [this.#parts.projection.missions(), around];
  }

  async #readOnce(): Promise<void> {
    if (!this.#parts.store.isComplete()) await this.#refresh(null);
  }

  async #owned(missionId: string): Promise<OwnerMission | null> {
    const entry = this.#parts.projection.mission(missionId);
    return entry === null ? null : this.#shown(entry);
  }

  async #shown(entry: MissionEntry): Promise<OwnerMission> {
    return this.#parts.view.owned(entry, await this.#surroundings());
  }

  async #surroundings(): Promise<Surroundings> {
    const dependencies = await this.#dispatcher().dependencies();
    return { dependencies, runningMissionId: this.#parts.turns.runningMissionId };
  }

  #nextDueMs(): number | null {
    return this.#parts.store.nextDue()?.readyMs ?? null;
  }

  /** A user who is gone leaves nothing behind here. */
  async #forget(): Promise<void> {
    await this.#parts.projection.forget();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.#opened = undefined;
  }

  async #attended<T>(work: () => Promise<T>): Promise<T> {
    return this.#events.attend(this.ctx, async () => {
      const revisionBefore = this.#opened?.store.revision ?? 0;
      try {
        return await this.#mended(work);
      } finally {
        this.#tellStreams(revisionBefore);
      }
    });
  }

  /**
   * Storage that SQLite calls damaged is removed, and the work is done once more: what was in it is
   * in the log.
   */
  async #mended<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      if (!isDamaged(this.ctx.storage.sql, thrown)) throw thrown;
      this.#log.error('the storage of a user was damaged; it is rebuilt from the log', {
        code: 'OBJECT_DAMAGED',
      });
      metrics.objectsRebuilt.inc();
      await this.ctx.storage.deleteAll();
      this.#opened = undefined;
      return work();
    }
  }

  /** Streams are told once an event has changed what they show. */
  #tellStreams(revisionBefore: number): void {
    const store = this.#opened?.store;
    if (store === undefined || store.revision === revisionBefore) return;
    if (store.watchedUntilMs() < Date.now()) return;
    const hub = this.env.EVENT_HUB.getByName(EVENT_HUB_NAME);
    this.ctx.waitUntil(hub.notify(this.#userId).catch(() => undefined));
  }

  /** Opened on first use, so that an object which emptied itself stays empty. */
  get #parts(): Parts {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  #open(): Parts {
    const userId = this.#userId;
    const { sql } = this.ctx.storage;
    const { openStatus, grants: grantSettings, research: endpoint } = this.#settings;
    const timeZone = (): string => this.#timeZone();
    const database = pooledDatabase(this.env.POSTGRES_POOL.getByName(POOL_NAME));
    const store = new MissionStore(sql);
    const projection = new Projection({ userId, store, database, timeZone });
    const occurrences = new OccurrenceLog({ store, timeZone });
    const modelLocality = (): Promise<'local' | 'remote'> => this.#dispatcher().modelLocality();
    const grants = new GrantAccess({ userId, database, settings: grantSettings, modelLocality });
    const head = { read: () => store.auditHead(), write: store.saveAuditHead.bind(store) };
    return {
      database,
      store,
      projection,
      facts: new ReviewFactReader({ userId, database, openStatus }),
      view: new MissionView({ store, occurrences, grants, timeZone }),
      grants,
      audit: new AuditLog({ userId, database, head }),
      budget: new TokenBudget(sql),
      research: endpoint === null ? null : new ResearchJobs(sql, { ...endpoint, userId }),
      turns: new Turns({
        userId,
        store,
        projection,
        occurrences,
        queue: this.#queue,
        run: (missionId, mostFailures) => this.#run(missionId, mostFailures),
        forget: () => this.#forget(),
        isDamaged: (thrown) => isDamaged(sql, thrown),
      }),
    };
  }

  async #run(missionId: string, mostFailures: number): Promise<RunOutcome> {
    const { database, store, projection, grants, audit, budget, research } = this.#parts;
    const run = new MissionRun({
      userId: this.#userId,
      missionId,
      projection,
      store,
      database,
      dispatcher: this.#dispatcher(),
      settings: { ...this.#settings, timeZone: this.#timeZone() },
      grants,
      audit,
      budget,
      research,
      exclusively: (work) => this.#queue.run(work),
    });
    return run.continue(mostFailures);
  }

  /** For cadences that name no zone: the one that the person last told, else that of the configuration. */
  #timeZone(): string {
    return this.#parts.store.timeZone() ?? this.#settings.timeZone;
  }

  #dispatcher(): DispatcherPort {
    return this.env.DISPATCHER.getByName(DISPATCHER_NAME);
  }
}

function newEpoch(): string {
  return Date.now().toString(36);
}
