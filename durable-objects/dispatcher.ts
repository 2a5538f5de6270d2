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

/** From admission to the request for a permit a user only reads the log: an admission that got lost is noticed this soon. */
const ADMISSION_LEASE_MS = 60_000;

/** After something in our own house went wrong. */
const REPEAT_MS = 5_000;

/** What a lease outlives the longest LLM call by. */
const LEASE_MARGIN_MS = 60_000;

/** What grows under load is V8's garbage; collecting it after so many turns and registrations keeps memory flat. */
const COLLECT_EVERY_EVENTS = 50;

/** Of all that can be an outage, this alone can also be one mission's fault: a prompt that the model never ends to answer. */
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
 * A user is: absent -> on the agenda (register) -> admitted, holding a lease (alarm or a release admits) -> on the agenda again
 * (release). The agenda is stored and the leases are not: one that runs out, or whose process ended, leaves the user due on the
 * agenda. An admitted user holds one of the LLM permits from the first call to the last (acquirePermit, releasePermit or release).
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

  /** Takes over the next due times of users; null removes one from the agenda. */
  async register(entries: readonly AgendaEntry[]): Promise<void> {
    for (const entry of entries) this.#agenda.setDue(entry);
    await this.#admit();
    this.#collectGarbage(entries.length);
  }

  /** Called at process start: what was admitted before a crash is admitted again at once. Nobody waits for the probe. */
  async wake(): Promise<void> {
    this.#agenda.forgetServed(Date.now());
    this.#testOutagesOnce();
    // Set anew: where workerd's own list of alarms was lost, one stands stored here that nothing would fire.
    if (this.#settings.tickEnabled && !this.#draining) await this.ctx.storage.setAlarm(Date.now());
    await this.#admit();
    if (!this.#draining) this.ctx.waitUntil(this.#model.ask(Date.now()));
  }

  /** Who restarts has often mended what was away, by another address in the configuration: it is tested at once, not after up to an hour. */
  #testOutagesOnce(): void {
    if (!this.#ofProcess.isNew) return;
    this.#ofProcess.isNew = false;
    this.#outages.testNow(Date.now());
  }

  /** Where the model runs: 'remote' too where a local server passes it on, which takes a moment to find out after a start. */
  async modelLocality(): Promise<'local' | 'remote'> {
    await this.#model.whoServes();
    return this.#locality();
  }

  /** A user's turn is over: its lease and permit are free, its next due time is known, others may come. */
  async release(report: TurnReport): Promise<void> {
    this.#permits.end(report.userId);
    this.#agenda.serve(report.userId, report.nextDueMs, Date.now());
    this.#outages.judgeTurn(report, Date.now(), Math.random());
    this.#pass?.count(report);
    this.#permits.passOn(this.#permitTerms());
    await this.#admit();
    this.#collectGarbage(1);
  }

  /** A person is to be forgotten: off the agenda, and a turn under way has lost its lease and permit. */
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

  /** Waits for an LLM permit. While the LLM is down only one holder tests it, and not before its back-off is over. */
  async acquirePermit(userId: string): Promise<PermitAnswer> {
    const askedMs = Date.now();
    const refusal = this.#permitRefusal();
    if (refusal !== null) return refusal;
    const answer = await this.#permits.acquire(userId, this.#permitTerms());
    if (answer === 'granted') metrics.slotWaitSeconds.observe((Date.now() - askedMs) / 1_000);
    return answer;
  }

  /** The last LLM call of the turn is over; the write-back needs no permit. */
  async releasePermit(userId: string): Promise<void> {
    this.#permits.giveBack(userId, this.#permitTerms());
  }

  /** After each LLM call: renews the lease and keeps the one state of the LLM for all. */
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

  /** One full pass over everything that is due now, on demand; a second one meanwhile is refused. */
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

  /** Ends the pass; its users go on if they hold leases, and are not admitted any more where ticks are disabled. */
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

  /** The change feed reads Postgres by itself, whether anything is due or not. */
  async reportPostgres(report: PostgresReport): Promise<void> {
    const isNews = this.#outages.judgePostgres(report, Date.now(), Math.random());
    if (isNews) await this.#admit();
  }

  /** Another one than before where the agenda was lost: then whoever knows all users has to register them again. */
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
    // Present only where workerd runs with --expose-gc (workerd.capnp).
    (globalThis as { gc?: () => void }).gc?.();
  }

  async #admit(): Promise<void> {
    const nowMs = Date.now();
    const unreported = this.#leases.dropExpired(nowMs);
    for (const userId of unreported) this.#noteUnreported(userId, nowMs);
    // A lease that ran out may have held the permit that others wait for.
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

  /** Counting goes through the whole queue, which nobody needs to the millisecond. */
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

  /** One person's trouble takes no turn of others: whoever does not report waits, longer each time, and is helped in the end. */
  #noteUnreported(userId: string, nowMs: number): void {
    metrics.turnsUnreported.inc();
    const retryAtMs = (unreported: number): number => nowMs + backOffMs(unreported, Math.random());
    const unreported = this.#agenda.serveUnreported(userId, nowMs, retryAtMs);
    this.#log.warn('a turn ended without a report', { code: 'TURN_UNREPORTED', count: unreported });
    if (unreported > 0 && unreported % HELP_EVERY_UNREPORTED === 0)
      this.ctx.waitUntil(this.#help(userId, unreported));
  }

  /** What is in the user's object may be the trouble: first the cache is rebuilt, and if that does not help the whole object. */
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
   * An alarm that comes too early is left as it is: setting one costs two waits for the disk, and the moment that it stands for has
   * most often moved again before it comes.
   */
  async #armAlarm(nowMs: number): Promise<void> {
    if (this.#draining || !this.#settings.tickEnabled) return;
    const wantedMs = this.#nextWakeMs(nowMs);
    const armedMs = await this.ctx.storage.getAlarm();
    if (wantedMs === null || (armedMs !== null && armedMs <= wantedMs)) return;
    await this.ctx.storage.setAlarm(wantedMs);
  }

  /** The next moment at which admission can change by time alone. */
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
