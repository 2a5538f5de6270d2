import { DurableObject } from 'cloudflare:workers';
import { createLogger } from '../src/telemetry/logs.ts';
import { metrics } from '../src/telemetry/metrics.ts';
import { AgendaStore, type AgendaEntry } from './agenda-store.ts';
import { callAgainOnReset } from './call-again.ts';
import { guarded } from './guarded.ts';
import { type DependencyState, type OutageReport, OutageState } from './outage-state.ts';
import type { RunnerEnv, RunnerSettings } from './settings.ts';

/** Admitted users beyond the permits: they read and prepare while others talk to the LLM. */
const PREPARING_USERS = 4;

/** From admission to the request for a permit a user only reads the log: an admission that got lost is noticed this soon. */
const ADMISSION_LEASE_MS = 60_000;

/** After something in our own house went wrong. */
const REPEAT_MS = 5_000;

/** What a lease outlives the longest LLM call by. */
const LEASE_MARGIN_MS = 60_000;

export type LlmReport = { kind: 'ok' } | ({ kind: 'outage' } & OutageReport);

/** What somebody learned of Postgres: it can be read, or it cannot serve anybody. */
export type PostgresReport = { kind: 'readable' } | { kind: 'outage'; code: string; message: string };

/** How a user's turn ended. */
export type TurnReport = {
  userId: string;
  /** when this user's next mission is due or ready again; null if none */
  nextDueMs: number | null;
  turn: 'nothing-due' | 'planned' | 'failed' | 'postponed';
  plansProduced: number;
  plansWrittenBack: number;
  parseFailures: number;
  error: string | null;
  /** set where Postgres could serve nobody: then this turn was a test of it and failed */
  postgresOutage?: { code: string; message: string };
};

export type PassState =
  | { state: 'overlap' }
  | { state: 'running' | 'done'; passId: string; turns: TurnCounts; open: number; errors: string[] };

export type TurnCounts = { due: number; plansProduced: number; plansWrittenBack: number; parseFailures: number };

type Pass = { id: string; startedMs: number; waiting: Set<string>; turns: TurnCounts; errors: string[] };

/** What grows under load is V8's garbage; collecting it now and then keeps memory flat (measured: 159 instead of 261 MB). */
const COLLECT_EVERY_TURNS = 200;

/** Identifies this process: leases of another one are void. Lazily made, since random values need a running event. */
let bootId: string | undefined;

/**
 * The agenda (who is due when) and admission (how many at once, in what order).
 *
 * A user is: absent -> on the agenda (register) -> admitted, holding a lease (alarm or a release admits) -> on the agenda again
 * or absent (release). A lease that runs out, or that another boot of the process gave, leaves the user due on the agenda.
 * An admitted user holds one of the LLM permits from the first call to the last (acquirePermit, releasePermit or release).
 */
export class Dispatcher extends DurableObject<RunnerEnv> {
  readonly #settings: RunnerSettings;
  readonly #log = createLogger({ component: 'dispatcher' });
  readonly #agenda: AgendaStore;
  readonly #llm: OutageState;
  readonly #postgres: OutageState;
  readonly #permitWaiters: (() => void)[] = [];
  #pass: Pass | undefined;
  #draining = false;
  #turnsSinceCollection = 0;
  #initialised = false;

  constructor(ctx: DurableObjectState, env: RunnerEnv, settings: RunnerSettings) {
    super(ctx, env);
    this.#settings = settings;
    this.#agenda = new AgendaStore(ctx.storage.sql);
    this.#llm = new OutageState(ctx.storage.sql, 'llm');
    this.#postgres = new OutageState(ctx.storage.sql, 'postgres');
  }

  /** Takes over the next due times of users; null removes one from the agenda. */
  async register(entries: readonly AgendaEntry[]): Promise<void> {
    this.#start();
    for (const entry of entries) this.#agenda.setDue(entry);
    await this.#admit();
  }

  /** Called at process start: what was admitted before a crash is admitted again at once. */
  async wake(): Promise<void> {
    this.#start();
    await this.#admit();
  }

  /** A user's turn is over: its lease and permit are free, its next due time is known, others may come. */
  async release(report: TurnReport): Promise<void> {
    this.#start();
    this.#agenda.release(report.userId, report.nextDueMs, Date.now());
    this.#judgePostgres(report);
    this.#countTurn(report);
    this.#wakePermitWaiters();
    await this.#admit();
    this.#collectGarbage();
  }

  /** Waits for an LLM permit. While the LLM is down only one holder tests it, and not before its back-off is over. */
  async acquirePermit(userId: string): Promise<'granted' | 'llm-down' | 'draining'> {
    this.#start();
    const askedMs = Date.now();
    this.#agenda.renewLease(userId, this.#lease().expiresMs);
    for (;;) {
      const refusal = this.#permitRefusal();
      if (refusal !== null) return refusal;
      if (this.#agenda.permitsHeld() < this.#permitLimit()) break;
      // One waiter is woken by each release; the lease of a waiter cannot run out while its call is open.
      await new Promise<void>((resolve) => this.#permitWaiters.push(resolve));
    }
    this.#agenda.grantPermit(userId, this.#lease());
    metrics.slotWaitSeconds.observe((Date.now() - askedMs) / 1_000);
    return 'granted';
  }

  /** The last LLM call of the turn is over; the write-back needs no permit. */
  async releasePermit(userId: string): Promise<void> {
    this.#agenda.revokePermit(userId);
    this.#wakePermitWaiters();
  }

  /** After each LLM call: renews the lease and keeps the one state of the LLM for all. */
  async reportCall(userId: string, report: LlmReport): Promise<'go-on' | 'draining'> {
    this.#agenda.renewLease(userId, this.#lease().expiresMs);
    if (report.kind === 'ok') this.#llm.clear();
    else this.#recordLlmOutage(report);
    return this.#draining ? 'draining' : 'go-on';
  }

  /** One full pass over everything that is due now, on demand; a second one meanwhile is refused. */
  async startPass(passId: string): Promise<PassState> {
    this.#start();
    if (this.#pass !== undefined) return { state: 'overlap' };
    const nowMs = Date.now();
    this.#pass = {
      id: passId,
      startedMs: nowMs,
      waiting: new Set(this.#agenda.dueUsers(nowMs)),
      turns: { due: 0, plansProduced: 0, plansWrittenBack: 0, parseFailures: 0 },
      errors: [],
    };
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
    this.#start();
    this.#draining = true;
    await this.ctx.storage.deleteAlarm();
    while (this.#permitWaiters.length > 0) this.#permitWaiters.shift()?.();
    return this.#agenda.leaseCount() === 0;
  }

  /** The change feed reads Postgres by itself, whether anything is due or not. */
  async reportPostgres(report: PostgresReport): Promise<void> {
    this.#start();
    const before = this.#postgres.current();
    if (report.kind === 'outage') this.#postgres.record({ ...report, retryAfterMs: null }, Date.now(), Math.random());
    // Only a write shows that writing is possible again.
    else if (before?.code !== 'POSTGRES_READ_ONLY') this.#postgres.clear();
    if (before !== null || report.kind === 'outage') await this.#admit();
  }

  async dependencies(): Promise<{ llm: DependencyState; postgres: DependencyState }> {
    return { llm: this.#llm.state(), postgres: this.#postgres.state() };
  }

  async queueState(): Promise<{ queued: number; running: number; lastTickAt: string | null }> {
    const lastMs = this.#agenda.lastAdmissionMs();
    return {
      queued: this.#agenda.dueUsers(Date.now()).length,
      running: this.#agenda.leaseCount(),
      lastTickAt: lastMs === null ? null : new Date(lastMs).toISOString(),
    };
  }

  override async alarm(): Promise<void> {
    const wentWell = await guarded(this.#log, async () => {
      this.#start();
      await this.#admit();
    });
    if (!wentWell) await guarded(this.#log, () => this.ctx.storage.setAlarm(Date.now() + REPEAT_MS));
  }

  #collectGarbage(): void {
    this.#turnsSinceCollection += 1;
    if (this.#turnsSinceCollection < COLLECT_EVERY_TURNS) return;
    this.#turnsSinceCollection = 0;
    // Present only where workerd runs with --expose-gc (workerd.capnp).
    (globalThis as { gc?: () => void }).gc?.();
  }

  #start(): void {
    if (this.#initialised) return;
    this.#initialised = true;
    bootId ??= crypto.randomUUID();
    this.#agenda.dropLeasesOfOtherBoots(bootId);
  }

  async #admit(): Promise<void> {
    const nowMs = Date.now();
    this.#agenda.dropExpiredLeases(nowMs);
    const admitted = this.#mayAdmit(nowMs) ? this.#admitReady(nowMs) : [];
    metrics.queueLength.set(this.#agenda.dueUsers(nowMs).length);
    await this.#armAlarm(nowMs);
    await Promise.all(admitted.map((userId) => this.#poke(userId)));
  }

  #mayAdmit(nowMs: number): boolean {
    if (this.#draining) return false;
    if (!this.#settings.tickEnabled && this.#pass === undefined) return false;
    return this.#testableMs() <= nowMs;
  }

  /** From when on somebody may be admitted again: one user, as a test, while anything is down. */
  #testableMs(): number {
    return Math.max(0, this.#llm.current()?.retryAtMs ?? 0, this.#postgres.current()?.retryAtMs ?? 0);
  }

  #isAnythingDown(): boolean {
    return this.#llm.current() !== null || this.#postgres.current() !== null;
  }

  #admitReady(nowMs: number): string[] {
    const free = this.#admissionLimit() - this.#agenda.leaseCount();
    if (free <= 0) return [];
    const lease = { boot: bootId ?? '', expiresMs: nowMs + ADMISSION_LEASE_MS };
    const ready = this.#agenda.takeReady(nowMs, free, lease);
    for (const { dueMs } of ready) metrics.wakeDelaySeconds.observe(Math.max(0, nowMs - dueMs) / 1_000);
    return ready.map(({ userId }) => userId);
  }

  /** A poke that fails leaves the lease to run out; the user is then admitted again. */
  async #poke(userId: string): Promise<void> {
    try {
      await callAgainOnReset(() => this.env.USER_MISSIONS.getByName(userId).poke(userId));
    } catch {
      this.#agenda.renewLease(userId, Date.now() + REPEAT_MS);
      await this.#armAlarm(Date.now());
    }
  }

  async #armAlarm(nowMs: number): Promise<void> {
    if (this.#draining || !this.#settings.tickEnabled) return;
    const wantedMs = this.#nextWakeMs(nowMs);
    const armedMs = await this.ctx.storage.getAlarm();
    if (wantedMs === armedMs) return;
    await (wantedMs === null ? this.ctx.storage.deleteAlarm() : this.ctx.storage.setAlarm(wantedMs));
  }

  /** The next moment at which admission can change by time alone. */
  #nextWakeMs(nowMs: number): number | null {
    const expiryMs = this.#agenda.earliestLeaseExpiryMs();
    const readyMs = this.#agenda.earliestReadyMs();
    const full = this.#agenda.leaseCount() >= this.#admissionLimit();
    const admissionMs = readyMs === null || full ? null : Math.max(readyMs, this.#testableMs(), nowMs);
    const moments = [expiryMs, admissionMs].filter((moment) => moment !== null);
    return moments.length === 0 ? null : Math.min(...moments);
  }

  #admissionLimit(): number {
    return this.#isAnythingDown() ? 1 : this.#settings.llm.maxConcurrency + PREPARING_USERS;
  }

  #permitLimit(): number {
    return this.#llm.current() === null ? this.#settings.llm.maxConcurrency : 1;
  }

  #permitRefusal(): 'llm-down' | 'draining' | null {
    if (this.#draining) return 'draining';
    const outage = this.#llm.current();
    return outage !== null && outage.retryAtMs > Date.now() ? 'llm-down' : null;
  }

  #lease(): { boot: string; expiresMs: number } {
    return { boot: bootId ?? '', expiresMs: Date.now() + this.#settings.llm.timeoutMs + LEASE_MARGIN_MS };
  }

  #recordLlmOutage({ code, message, retryAfterMs }: OutageReport): void {
    this.#llm.record({ code, message, retryAfterMs }, Date.now(), Math.random());
    while (this.#permitWaiters.length > 0) this.#permitWaiters.shift()?.();
  }

  #judgePostgres({ postgresOutage, turn }: TurnReport): void {
    const known = this.#postgres.current();
    if (postgresOutage !== undefined)
      this.#postgres.record({ ...postgresOutage, retryAfterMs: null }, Date.now(), Math.random());
    else if (known !== null && (turn === 'planned' || known.code !== 'POSTGRES_READ_ONLY')) this.#postgres.clear();
  }

  #wakePermitWaiters(): void {
    this.#permitWaiters.shift()?.();
  }

  #countTurn(report: TurnReport): void {
    const pass = this.#pass;
    if (pass === undefined) return;
    if (report.turn !== 'nothing-due') pass.turns.due += 1;
    pass.turns.plansProduced += report.plansProduced;
    pass.turns.plansWrittenBack += report.plansWrittenBack;
    pass.turns.parseFailures += report.parseFailures;
    if (report.error !== null) pass.errors.push(report.error);
    const dueAgain = report.nextDueMs !== null && report.nextDueMs <= pass.startedMs;
    if (!dueAgain) pass.waiting.delete(report.userId);
  }

  #passState(pass: Pass): PassState {
    const open = pass.waiting.size;
    const blocked = this.#isAnythingDown() && this.#agenda.leaseCount() === 0;
    const state = open === 0 || blocked ? 'done' : 'running';
    return { state, passId: pass.id, turns: pass.turns, open: blocked ? 0 : open, errors: pass.errors };
  }
}
