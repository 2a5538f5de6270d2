import { DurableObject } from 'cloudflare:workers';
import { importRunnerPrivateKeys } from '../src/grants/index.ts';
import { ask } from '../src/postgres/one-statement.ts';
import { pooledDatabase } from '../src/postgres/pooled-database.ts';
import { notifyOf } from '../src/sync/feed-queries.ts';
import { createLogger } from '../src/telemetry/logs.ts';
import {
  type DispatcherPort,
  DISPATCHER_NAME,
  POOL_NAME,
  type FeedPort,
  type RunnerEnv,
} from './bindings.ts';
import { codeOf, reportOf } from './feed/feed-error.ts';
import { FeedStore } from './feed/feed-store.ts';
import type { Notice } from './life/notice.ts';
import { ECHO, ListenConnection } from './feed/listen-connection.ts';
import { OutboxPoll } from './feed/outbox-poll.ts';
import { Sweep } from './feed/sweep.ts';
import { UserRefresh } from './feed/user-refresh.ts';
import { callUser } from './life/call-user.ts';
import { guarded } from './life/guarded.ts';
import type { RunnerSettings } from './settings.ts';

/**
 * Finds users whose log changed and refreshes their objects: on a notification at once, by a poll
 * at every tick interval, and by a sweep over all users if the outbox cannot be trusted (first
 * start, a database that went back, once a day).
 */
export class ChangeFeed extends DurableObject<RunnerEnv> implements FeedPort {
  readonly #settings: RunnerSettings;
  readonly #store: FeedStore;
  readonly #listen: ListenConnection;
  readonly #users: UserRefresh;
  readonly #sweep: Sweep;
  readonly #outbox: OutboxPoll;
  readonly #log = createLogger({ component: 'change-feed' });
  #stopped = false;
  #areGrantsKnown = false;

  constructor(ctx: DurableObjectState, env: RunnerEnv, settings: RunnerSettings) {
    super(ctx, env);
    this.#settings = settings;
    const store = new FeedStore(ctx.storage.sql);
    const database = pooledDatabase(env.POSTGRES_POOL.getByName(POOL_NAME));
    const users = new UserRefresh({
      store,
      refresh: (userId, since) => callUser(env, userId, (user) => user.refresh(since)),
      register: (entries) => this.#dispatcher().register(entries),
    });
    const sweep = new Sweep({ store, database, users });
    const grantsChanged = (): Promise<boolean> => this.#grantsChanged();
    this.#outbox = new OutboxPoll({ store, database, users, sweep, grantsChanged });
    this.#listen = new ListenConnection(
      {
        databaseUrl: env.DATABASE_URL,
        listenUrl: env.MANA_LISTEN_URL || null,
        application: env.POSTGRES_APPLICATION,
      },
      {
        notified: () => void this.#outbox.poll().catch(() => undefined),
        lost: () => this.#comeBackSoon(),
      },
      () => ask(database, { role: 'mana_ai_runner', userId: null }, notifyOf(ECHO)),
    );
    this.#store = store;
    this.#users = users;
    this.#sweep = sweep;
  }

  /**
   * The first /health of a process calls this, since workerd starts nothing by itself; the alarm
   * goes on from there.
   */
  async wake(): Promise<void> {
    if (!this.#settings.tickEnabled || this.#stopped) return;
    // The alarm of a killed process may be an interval away, and nobody was notified of what was
    // committed meanwhile.
    if (!this.#listen.isOpen) await this.ctx.storage.setAlarm(Date.now());
  }

  /** One poll of the outbox on demand; a sweep that is due runs to its end as well. */
  async scan(): Promise<{ ok: true } | { ok: false; code: string }> {
    try {
      await this.#outbox.poll();
      while (this.#sweep.isRunning) await this.#sweep.slice();
      return { ok: true };
    } catch (thrown) {
      return { ok: false, code: codeOf(thrown) };
    }
  }

  /** A person is to be forgotten: their log is not tried again. */
  async forget(userId: string): Promise<void> {
    this.#store.clearFailure(userId);
  }

  async knows(userId: string): Promise<boolean> {
    return this.#store.hasFailure(userId);
  }

  /** What an operator should know of the feed. */
  async notices(): Promise<Notice[]> {
    return this.#listen.notices();
  }

  /**
   * The process is about to end: no more polls, and the connection is closed without waiting for
   * the server's answer.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.ctx.storage.deleteAlarm();
    this.#listen.hangUp();
  }

  override async alarm(): Promise<void> {
    const startedMs = Date.now();
    await guarded(this.#log, async () => {
      const report = reportOf(await this.#round());
      // The feed reads PostgreSQL even if nobody is due, so it is often the first to learn that it
      // went away or came back.
      if (report !== null) await this.#dispatcher().reportPostgres(report);
    });
    if (!this.#stopped)
      await guarded(this.#log, () =>
        this.ctx.storage.setAlarm(Date.now() + this.#nextWaitMs(startedMs)),
      );
  }

  /** What one alarm does. Answers what stopped it, or null. */
  async #round(): Promise<unknown> {
    try {
      await this.#listen.ensure();
      await this.#noticeLostAgenda();
      await this.#outbox.poll();
      await this.#users.retryFailures();
      await this.#sweep.slice();
      return null;
    } catch (thrown) {
      this.#log.warn('the change feed could not read Postgres; it tries again', {
        code: codeOf(thrown),
      });
      return thrown;
    }
  }

  /**
   * An agenda that began anew (its storage was lost) knows nobody: a sweep registers all users with
   * it.
   */
  async #noticeLostAgenda(): Promise<void> {
    const id = await this.#dispatcher().agendaId();
    if (id === this.#store.agendaId()) return;
    this.#sweep.start(Date.now());
    this.#store.setAgendaId(id);
  }

  /** Asked once per start: only a start can bring other settings. */
  async #grantsChanged(): Promise<boolean> {
    if (this.#areGrantsKnown) return false;
    const { privateKeysPem, jwksUrl, modelIsLocal } = this.#settings.grants;
    const keys = privateKeysPem === null ? [] : await importRunnerPrivateKeys(privateKeysPem);
    this.#areGrantsKnown = true;
    const kids = keys.map(({ kid }) => kid);
    return this.#store.noteGrantSettings(JSON.stringify([kids, jwksUrl, modelIsLocal]));
  }

  /**
   * Notifications of a lost connection are gone: the alarm comes soon, listens again and polls for
   * what was missed.
   */
  #comeBackSoon(): void {
    if (!this.#stopped) void this.ctx.storage.setAlarm(Date.now() + this.#listenAgainMs());
  }

  #listenAgainMs(): number {
    const { tickIntervalMs } = this.#settings;
    return Math.min(tickIntervalMs, this.#listen.retryMs() ?? tickIntervalMs);
  }

  #nextWaitMs(roundStartedMs: number): number {
    const sweepMs = this.#sweep.waitMs(roundStartedMs, Date.now());
    return Math.min(this.#listenAgainMs(), sweepMs ?? Infinity);
  }

  #dispatcher(): DispatcherPort {
    return this.env.DISPATCHER.getByName(DISPATCHER_NAME);
  }
}
