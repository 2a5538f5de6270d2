import { DurableObject } from 'cloudflare:workers';
import { backOffMs } from '../src/missions/back-off.ts';
import { createLogger } from '../src/telemetry/logs.ts';
import { metrics } from '../src/telemetry/metrics.ts';
import { admitReady } from './admission/admission.ts';
import { AgendaStore, type AgendaEntry } from './admission/agenda-store.ts';
import type { CallWord, LlmReport } from './admission/llm-report.ts';
import type { Leases } from './admission/leases.ts';
import { ModelProbe } from './admission/model-probe.ts';
import type { OutageReport } from './admission/outage-state.ts';
import { Outages, type PostgresReport } from './admission/outages.ts';
import { OwnTimeouts } from './admission/own-timeouts.ts';
import { Pass, type PassState } from './admission/pass.ts';
import { type PermitAnswer, Permits, type PermitTerms } from './admission/permits.ts';
import type { TurnReport } from './admission/turn-report.ts';
import { callUser, removeUserFile } from './life/call-user.ts';
import { guarded } from './life/guarded.ts';
import type { Notice } from './life/notice.ts';
import type { Dependencies, DispatcherPort, RunnerEnv } from './bindings.ts';
import type { RunnerSettings } from './settings.ts';

export type { TurnReport } from './admission/turn-report.ts';

/** Admitted users beyond the permits: they read and prepare while others talk to the LLM. */
const PREPARING_USERS = 4;

/**
 * From admission to the request for a permit a user only reads the log, so a lost poke is noticed
 * after this time.
 */
const ADMISSION_LEASE_MS = 60_000;

/** If the Dispatcher itself fails, it tries again after this time. */
const REPEAT_MS = 5_000;

/** A lease lasts this much longer than the longest call of the model. */
const LEASE_MARGIN_MS = 60_000;

/**
 * V8's garbage grows under load. Memory stays flat if it is collected after this many turns and
 * registrations.
 */
const COLLECT_EVERY_EVENTS = 50;

/**
 * A timeout is the one outage that can also be a single mission's fault: its prompt may make the
 * model talk without end.
 */
const TIMEOUT = 'LLM_TIMEOUT';

/** After so many turns in a row without a report the user's object is helped. */
const HELP_EVERY_UNREPORTED = 3;

const COUNT_QUEUE_EVERY_MS = 1_000;

/** What lasts as long as the process: a lease tells of something that goes on in the process. */
type OfProcess = { permits: Permits; timeouts: OwnTimeouts; isNew: boolean };

/** By the id of the object, which may leave memory while calls of the model last. */
const ofProcess = new Map<string, OfProcess>();

function processStateOf(objectId: string): OfProcess {
  const known = ofProcess.get(objectId);
  if (known !== undefined) return known;
  const state = { permits: new Permits(), timeouts: new OwnTimeouts(), isNew: true };
  ofProcess.set(objectId, state);
  return state;
}

/**
 * The agenda (who is due when) and admission (how many at once, in what order).
 *
 * A user is absent, then on the agenda (`register`), then admitted with a lease (by the alarm or by
 * a `release`), then on the agenda again (`release`). The agenda is stored, leases are not: if a
 * lease or the process ends early, the user is still due on the agenda. An admitted user holds a
 * permit from the first call of the model to the last (`acquirePermit` to `releasePermit` or
 * `release`).
 */
export class Dispatcher extends DurableObject<RunnerEnv> implements DispatcherPort {
  readonly #settings: RunnerSettings;
  readonly #log = createLogger({ component: 'dispatcher' });
  readonly #agenda: AgendaStore;
  readonly #outages: Outages;
  readonly #model: ModelProbe;
  readonly #ofProcess: OfProcess;
  readonly #permits: Permits;
  readonly #leases: Leases;
  #pass: Pass | undefined;
  #draining = false;
  #eventsSinceCollection = 0;
  #queueCountedMs = 0;

  constructor(ctx: DurableObjectState, env: RunnerEnv, settings: RunnerSettings) {
    super(ctx, env);
    this.#settings = settings;
    this.#agenda = new AgendaStore(ctx.storage.sql);
    this.#ofProcess = processStateOf(ctx.id.toString());
    this.#permits = this.#ofProcess.permits;
    this.#leases = this.#permits.leases;
    this.#outages = new Outages(ctx.storage.sql);
    this.#model = new ModelProbe(ctx.storage.sql, settings.llm);
  }

  /** Notes when users are due next; a user with null leaves the agenda. */
  async register(entries: readonly AgendaEntry[]): Promise<void> {
    for (const entry of entries) this.#agenda.setDue(entry);
    await this.#admit();
    this.#collectGarbage(entries.length);
  }

  /**
   * Called at process start. Users who were admitted before a crash are admitted again at once;
   * nobody waits for the probe.
   */
  async wake(): Promise<void> {
    this.#agenda.forgetServed(Date.now());
    this.#testOutagesOnce();
    // If workerd's own list of alarms was lost, an alarm is stored here that nothing would fire, so
    // it is set anew.
    if (this.#settings.tickEnabled && !this.#draining) await this.ctx.storage.setAlarm(Date.now());
    await this.#admit();
    if (!this.#draining) this.ctx.waitUntil(this.#model.ask(Date.now()));
  }

  /**
   * An operator who restarts has often mended what was away, so it is tested at once and not after
   * up to an hour.
   */
  #testOutagesOnce(): void {
    if (!this.#ofProcess.isNew) return;
    this.#ofProcess.isNew = false;
    this.#outages.testNow(Date.now());
  }

  /**
   * Where the model runs. If a local server passes it on to another host it is 'remote'; after a
   * start that takes a moment to find out.
   */
  async modelLocality(): Promise<'local' | 'remote'> {
    await this.#model.whoServes();
    return this.#locality();
  }

  /**
   * A user's turn is over: its lease and permit are freed, the user's next moment is noted, and
   * others are admitted.
   */
  async release(report: TurnReport): Promise<void> {
    this.#permits.end(report.userId);
    this.#agenda.serve(report.userId, report.nextDueMs, Date.now());
    this.#outages.judgeTurn(report, Date.now(), Math.random());
    this.#pass?.count(report);
    this.#permits.passOn(this.#permitTerms());
    await this.#admit();
    this.#collectGarbage(1);
  }

  /**
   * A person is to be forgotten: they leave the agenda, and a turn under way loses its lease and
   * permit.
   */
  async forget(userId: string): Promise<void> {
    this.#permits.end(userId);
    this.#agenda.remove(userId);
    this.#pass?.leave(userId);
    this.#permits.passOn(this.#permitTerms());
    await this.#admit();
  }

  async knows(userId: string): Promise<boolean> {
    return this.#agenda.has(userId) || this.#leases.has(userId);
  }

  /**
   * Waits for a permit. While the model is down one user at a time may test it, and only after the
   * back-off.
   */
  async acquirePermit(userId: string): Promise<PermitAnswer> {
    const askedMs = Date.now();
    const refusal = this.#permitRefusal();
    if (refusal !== null) return refusal;
    const answer = await this.#permits.acquire(userId, this.#permitTerms());
    if (answer === 'granted') metrics.slotWaitSeconds.observe((Date.now() - askedMs) / 1_000);
    return answer;
  }

  /** The turn's last call of the model is over; the write-back needs no permit. */
  async releasePermit(userId: string): Promise<void> {
    this.#permits.giveBack(userId, this.#permitTerms());
  }

  /**
   * A call of the model has ended: renews the lease, and notes for all users whether the model
   * answers.
   */
  async reportCall(userId: string, report: LlmReport): Promise<CallWord> {
    this.#leases.renew(userId, this.#leaseEndMs());
    const nowMs = Date.now();
    const callSinceMs = this.#leases.endCall(userId, nowMs);
    const mission = JSON.stringify([userId, report.missionId]);
    if (report.kind === 'outage') {
      if (report.code === TIMEOUT && this.#ofProcess.timeouts.isOwn(mission, nowMs))
        return 'own-failure';
      this.#recordLlmOutage(report, callSinceMs);
    } else {
      this.#ofProcess.timeouts.answered(mission, nowMs);
      if (report.tools) this.#model.learn(report.tools);
      if (this.#outages.llm.current() !== null) await this.#endLlmOutage();
    }
    return this.#draining ? 'draining' : 'go-on';
  }

  /** Starts a pass over everybody who is ready now. While one is open, another is refused. */
  async startPass(passId: string): Promise<PassState> {
    if (this.#pass !== undefined) return { state: 'overlap' };
    const nowMs = Date.now();
    this.#pass = new Pass(passId, { nowMs, readyUsers: this.#agenda.readyUsers(nowMs) });
    await this.#admit();
    return this.#passState(this.#pass);
  }

  async passState(passId: string): Promise<PassState> {
    if (this.#pass?.id !== passId) return { state: 'overlap' };
    await this.#admit();
    return this.#passState(this.#pass);
  }

  /**
   * Ends the pass. Users who hold leases finish their turns; if ticks are disabled, nobody else is
   * admitted.
   */
  async endPass(passId: string): Promise<void> {
    if (this.#pass?.id === passId) this.#pass = undefined;
  }

  /** No new admissions from now on. Answers true once no lease is left. */
  async drain(): Promise<boolean> {
    this.#draining = true;
    this.#model.stop();
    await this.ctx.storage.deleteAlarm();
    this.#permits.dismissWaiting('draining');
    return this.#leases.count() === 0;
  }

  /** The change feed tells what it found out: it reads PostgreSQL even if nobody is due. */
  async reportPostgres(report: PostgresReport): Promise<void> {
    const isNews = this.#outages.judgePostgres(report, Date.now(), Math.random());
    if (isNews) await this.#admit();
  }

  /**
   * Names this agenda. If its storage was lost, the name is another one, and the change feed
   * registers all users again.
   */
  async agendaId(): Promise<string> {
    return this.#agenda.id(() => crypto.randomUUID());
  }

  async dependencies(): Promise<Dependencies> {
    const { llm, postgres } = this.#outages;
    const { tools } = this.#model.facts();
    const model = { locality: this.#locality(), ...(tools === null ? {} : { tools }) };
    return { llm: { ...llm.state(), ...model }, postgres: postgres.state() };
  }

  async queueState(): Promise<{ queued: number; running: number; lastTickAt: string | null }> {
    const lastMs = this.#leases.lastAdmissionMs();
    return {
      queued: this.#agenda.readyCount(Date.now()),
      running: this.#leases.count(),
      lastTickAt: lastMs === null ? null : new Date(lastMs).toISOString(),
    };
  }

  /** What an operator should know of admission. */
  async notices(): Promise<Notice[]> {
    const unreported = this.#agenda.unreported();
    if (unreported === null) return [];
    const since = new Date(unreported.sinceMs).toISOString();
    const message = `turns of ${unreported.users} people ended without a report; they are tried again, and others go on`;
    return [{ code: 'TURN_UNREPORTED', message, since }];
  }

  override async alarm(): Promise<void> {
    const wentWell = await guarded(this.#log, () => this.#admit());
    if (!wentWell)
      await guarded(this.#log, () => this.ctx.storage.setAlarm(Date.now() + REPEAT_MS));
  }

  #locality(): 'local' | 'remote' {
    return this.#model.facts().passedOn ? 'remote' : this.#settings.llm.locality;
  }

  #collectGarbage(events: number): void {
    this.#eventsSinceCollection += events;
    if (this.#eventsSinceCollection < COLLECT_EVERY_EVENTS) return;
    this.#eventsSinceCollection = 0;
    // workerd has this function only with --expose-gc (workerd.capnp).
    (globalThis as { gc?: () => void }).gc?.();
  }

  async #admit(): Promise<void> {
    const nowMs = Date.now();
    const unreported = this.#leases.dropExpired(nowMs);
    for (const userId of unreported) this.#noteUnreported(userId, nowMs);
    // A lease that has just ended may have held a permit that others wait for.
    this.#permits.passOn(this.#permitTerms());
    const admitted = this.#mayAdmit(nowMs) ? this.#admitReady(nowMs) : [];
    this.#countQueue(nowMs);
    await this.#armAlarm(nowMs);
    await Promise.all(admitted.map((userId) => this.#poke(userId)));
  }

  #mayAdmit(nowMs: number): boolean {
    if (this.#draining) return false;
    if (!this.#settings.tickEnabled && this.#pass === undefined) return false;
    return this.#outages.testableMs() <= nowMs;
  }

  #admitReady(nowMs: number): string[] {
    const state = { agenda: this.#agenda, leases: this.#leases };
    const moment = { nowMs, expiresMs: nowMs + ADMISSION_LEASE_MS };
    const admitted = admitReady(state, this.#admissionLimit(), moment);
    for (const { dueMs } of admitted)
      metrics.wakeDelaySeconds.observe(Math.max(0, nowMs - dueMs) / 1_000);
    return admitted.map(({ userId }) => userId);
  }

  /** To count reads the whole agenda, so it is done once a second at most. */
  #countQueue(nowMs: number): void {
    if (nowMs - this.#queueCountedMs < COUNT_QUEUE_EVERY_MS) return;
    this.#queueCountedMs = nowMs;
    metrics.queueLength.set(this.#agenda.readyCount(nowMs));
  }

  /** A user whose object cannot even be poked had a turn without a report: it is over at once. */
  async #poke(userId: string): Promise<void> {
    try {
      await callUser(this.env, userId, (user) => user.poke());
    } catch {
      this.#permits.end(userId);
      this.#noteUnreported(userId, Date.now());
      await this.#armAlarm(Date.now());
    }
  }

  /**
   * One person's trouble takes no turn of others: whoever does not report waits, longer each time,
   * and is helped in the end.
   */
  #noteUnreported(userId: string, nowMs: number): void {
    metrics.turnsUnreported.inc();
    const retryAtMs = (unreported: number): number => nowMs + backOffMs(unreported, Math.random());
    const unreported = this.#agenda.serveUnreported(userId, nowMs, retryAtMs);
    this.#log.warn('a turn ended without a report', { code: 'TURN_UNREPORTED', count: unreported });
    if (unreported > 0 && unreported % HELP_EVERY_UNREPORTED === 0)
      this.ctx.waitUntil(this.#help(userId, unreported));
  }

  /**
   * What is in the user's object may be the trouble: first the cache is rebuilt, and if that does
   * not help the whole object.
   */
  async #help(userId: string, unreported: number): Promise<void> {
    try {
      if (unreported === HELP_EVERY_UNREPORTED)
        await callUser(this.env, userId, (user) => user.forgetCache());
      else await removeUserFile(this.env, userId);
    } catch {
      await removeUserFile(this.env, userId).catch(() => undefined);
    }
  }

  /**
   * An alarm that is set too early stays: to set one costs two waits for the disk, and the wanted
   * moment has most often moved again before the alarm comes.
   */
  async #armAlarm(nowMs: number): Promise<void> {
    if (this.#draining || !this.#settings.tickEnabled) return;
    const wantedMs = this.#nextWakeMs(nowMs);
    const armedMs = await this.ctx.storage.getAlarm();
    if (wantedMs === null || (armedMs !== null && armedMs <= wantedMs)) return;
    await this.ctx.storage.setAlarm(wantedMs);
  }

  /** The next moment (ms) at which time alone can let a user be admitted; null if there is none. */
  #nextWakeMs(nowMs: number): number | null {
    const expiryMs = this.#leases.earliestExpiryMs();
    const full = this.#leases.count() >= this.#admissionLimit();
    const readyMs = full ? null : this.#agenda.earliestReadyMs(this.#leases);
    const admissionMs =
      readyMs === null ? null : Math.max(readyMs, this.#outages.testableMs(), nowMs);
    const moments = [expiryMs, admissionMs].filter((moment) => moment !== null);
    return moments.length === 0 ? null : Math.min(...moments);
  }

  #admissionLimit(): number {
    return this.#outages.isAnythingDown() ? 1 : this.#settings.llm.maxConcurrency + PREPARING_USERS;
  }

  /** While the model is down, its one permit is for the test. */
  #permitTerms(): PermitTerms {
    const isUp = this.#outages.llm.current() === null;
    const limit = isUp ? this.#settings.llm.maxConcurrency : 1;
    return { limit, nowMs: Date.now(), leaseEndMs: this.#leaseEndMs() };
  }

  #permitRefusal(): 'llm-down' | 'draining' | null {
    if (this.#draining) return 'draining';
    const outage = this.#outages.llm.current();
    return outage !== null && outage.retryAtMs > Date.now() ? 'llm-down' : null;
  }

  #leaseEndMs(): number {
    return Date.now() + this.#settings.llm.timeoutMs + LEASE_MARGIN_MS;
  }

  #recordLlmOutage({ code, message, retryAfterMs }: OutageReport, callSinceMs: number): void {
    this.#outages.llm.record(
      { code, message, retryAfterMs, sinceMs: callSinceMs },
      Date.now(),
      Math.random(),
    );
    this.#permits.dismissWaiting('llm-down');
  }

  async #endLlmOutage(): Promise<void> {
    this.#outages.llm.clear();
    this.#permits.passOn(this.#permitTerms());
    await this.#admit();
  }

  #passState(pass: Pass): PassState {
    return pass.state(this.#outages.isAnythingDown() && this.#leases.count() === 0);
  }
}
