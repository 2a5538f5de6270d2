import type { Client } from '@neondatabase/serverless';
import { DurableObject } from 'cloudflare:workers';
import { importRunnerPrivateKeys } from '../src/grants/index.ts';
import { backOffMs } from '../src/missions/back-off.ts';
import { createClient } from '../src/postgres/driver.ts';
import { isNeonUrl } from '../src/config/neon-url.ts';
import { isOutage, PostgresError } from '../src/postgres/errors.ts';
import { pooledDatabase } from '../src/postgres/pooled-database.ts';
import type { Database, Row, Statement } from '../src/postgres/port.ts';
import {
  deleteOutboxBelow,
  OUTBOX_PAGE_ROWS,
  type OutboxPosition,
  selectMissedChanges,
  selectOutboxPage,
  selectUsersAfter,
} from '../src/sync/feed-queries.ts';
import { createLogger } from '../src/telemetry/logs.ts';
import { metrics } from '../src/telemetry/metrics.ts';
import type { AgendaEntry } from './admission/agenda-store.ts';
import { callAgainOnReset } from './life/call-again.ts';
import type { Dispatcher, PostgresReport } from './dispatcher.ts';
import { FeedStore } from './feed/feed-store.ts';
import { guarded } from './life/guarded.ts';
import type { Refreshed } from './user-missions.ts';
import { DISPATCHER_NAME, POOL_NAME, type RunnerEnv, type RunnerSettings } from './settings.ts';

/** Objects called by one event stay in memory until it ends, so users are refreshed in slices. */
const SLICE_USERS = 64;

/** More objects at once would only be open for longer: they wait for the few connections to Postgres. */
const USERS_AT_ONCE = 16;

/** From the start of one slice of a sweep to the next, at least: ten thousand users within three minutes where the disk keeps up. */
const SWEEP_SLICE_MS = 1_000;

/** Runs get a turn between two slices, however slow they are. */
const SWEEP_PAUSE_MS = 100;

const SWEEP_EVERY_MS = 24 * 60 * 60_000;

/** Longest wait for the listening connection's sign of life. */
const LISTENER_ANSWER_MS = 5_000;

type UserSince = { userId: string; since: string | null };
type RefreshOutcome =
  | { kind: 'refreshed'; entry: AgendaEntry }
  | { kind: 'away'; code: string; message: string }
  | { kind: 'unreadable' };
type OutboxEntry = { id: string; userId: string; xid: string; since: string };
type OutboxPage = { horizon: string; newest: string; entries: OutboxEntry[] };
type FirstPage = OutboxPage & { missed: string };

/**
 * Finds users whose log changed and refreshes their objects: on a notification at once, by a poll at every tick interval, and
 * by a sweep over all users when the outbox cannot be trusted (first start, a database that went back, once a day).
 */
export class ChangeFeed extends DurableObject<RunnerEnv> {
  readonly #settings: RunnerSettings;
  readonly #store: FeedStore;
  readonly #database: Database;
  readonly #log = createLogger({ component: 'change-feed' });
  #listener: Client | undefined;
  #polling: Promise<void> | undefined;
  #pollAgain = false;
  #stopped = false;
  #listenFailures = 0;
  #grantsLooked = false;

  constructor(ctx: DurableObjectState, env: RunnerEnv, settings: RunnerSettings) {
    super(ctx, env);
    this.#settings = settings;
    this.#store = new FeedStore(ctx.storage.sql);
    this.#database = pooledDatabase(env.POSTGRES_POOL.getByName(POOL_NAME));
  }

  /** Nothing runs by itself after a start: whoever serves /health calls this, and the alarm goes on from there. */
  async wake(): Promise<void> {
    if (!this.#settings.tickEnabled || this.#stopped) return;
    // The alarm of a killed process is an interval away, and what was committed meanwhile told nobody. It polls now, and listens.
    if (this.#listener === undefined) await this.ctx.storage.setAlarm(Date.now());
  }

  /** One pass over the outbox on demand; ends a sweep that is due as well. */
  async scan(): Promise<{ ok: true } | { ok: false; code: string }> {
    try {
      await this.#poll();
      while (this.#store.sweepCursor() !== null) await this.#sweepSlice();
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

  /** The process is about to end: no more polls, and the connection is closed without waiting for the server's word. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.ctx.storage.deleteAlarm();
    this.#hangUp();
  }

  override async alarm(): Promise<void> {
    const startedMs = Date.now();
    await guarded(this.#log, async () => {
      const report = reportOf(await this.#work());
      // The feed reads Postgres whether anybody is due or not, so it is often the first to learn that it went or came back.
      if (report !== null) await this.#dispatcher().reportPostgres(report);
    });
    if (!this.#stopped)
      await guarded(this.#log, () =>
        this.ctx.storage.setAlarm(Date.now() + this.#nextWaitMs(startedMs)),
      );
  }

  /** One round of the alarm; what stopped it, or null. */
  async #work(): Promise<unknown> {
    try {
      await this.#listen();
      await this.#noticeLostAgenda();
      await this.#poll();
      await this.#retryFailures();
      await this.#sweepSlice();
      return null;
    } catch (thrown) {
      this.#log.warn('the change feed could not read Postgres; it tries again', {
        code: codeOf(thrown),
      });
      return thrown;
    }
  }

  /** An agenda that began anew (its storage was lost) knows nobody: a sweep tells it of all users. */
  async #noticeLostAgenda(): Promise<void> {
    const id = await this.#dispatcher().agendaId();
    if (id === this.#store.agendaId()) return;
    this.#store.startSweep(Date.now());
    this.#store.setAgendaId(id);
  }

  #dispatcher(): DurableObjectStub<Dispatcher> {
    return this.env.DISPATCHER.getByName(DISPATCHER_NAME);
  }

  #nextWaitMs(startedMs: number): number {
    const waitsMs = [this.#settings.tickIntervalMs];
    if (this.#listenFailures > 0) waitsMs.push(this.#listenAgainMs());
    if (this.#store.sweepCursor() !== null)
      waitsMs.push(Math.max(SWEEP_PAUSE_MS, startedMs + SWEEP_SLICE_MS - Date.now()));
    return Math.min(...waitsMs);
  }

  async #listen(): Promise<void> {
    if (isNeonUrl(this.env.DATABASE_URL)) return;
    if (this.#listener !== undefined && (await answers(this.#listener))) return;
    this.#hangUp();
    const client = createClient(this.env.DATABASE_URL, `${this.env.POSTGRES_APPLICATION}-listen`);
    const lost = (): void => this.#lose(client);
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', () => void this.#poll().catch(() => undefined));
    this.#listener = client;
    try {
      await client.connect();
      await client.query('listen mana_ai_changes');
      this.#listenFailures = 0;
    } catch {
      this.#lose(client);
      this.#log.warn('LISTEN could not be set up; the poll goes on alone', {
        code: 'POSTGRES_UNAVAILABLE',
      });
    }
  }

  /** One that only answers slowly would live on and take one of the server's connections for each that follows. */
  #hangUp(): void {
    const client = this.#listener;
    this.#listener = undefined;
    client?.end().catch(() => undefined);
  }

  /** Notifications of a lost connection are gone: the alarm comes soon, listens again and polls for what was missed. */
  #lose(client: Client): void {
    if (this.#listener !== client) return;
    this.#listener = undefined;
    this.#listenFailures += 1;
    if (!this.#stopped) void this.ctx.storage.setAlarm(Date.now() + this.#listenAgainMs());
  }

  #listenAgainMs(): number {
    return Math.min(this.#settings.tickIntervalMs, 500 * 2 ** Math.min(this.#listenFailures, 10));
  }

  /** Polls never overlap: a request during one leads to one more after it. */
  async #poll(): Promise<void> {
    if (this.#polling !== undefined) {
      this.#pollAgain = true;
      return this.#polling;
    }
    this.#polling = this.#pollUntilQuiet();
    try {
      await this.#polling;
    } finally {
      this.#polling = undefined;
    }
  }

  async #pollUntilQuiet(): Promise<void> {
    do {
      this.#pollAgain = false;
      await this.#readOutbox();
    } while (this.#pollAgain);
  }

  async #readOutbox(): Promise<void> {
    const startHorizon = this.#store.horizon();
    let position: OutboxPosition = { horizon: startHorizon ?? '0', afterXid: '0', afterId: '0' };
    const first = await this.#readFirstPage(position);
    this.#noticeMissedChanges(first);
    const wentBack = startHorizon !== null && BigInt(startHorizon) > BigInt(first.newest);
    const grantsChanged = await this.#grantsChanged();
    if (startHorizon === null || wentBack || grantsChanged || this.#sweepIsDue())
      this.#store.startSweep(Date.now());
    if (wentBack) {
      // The server is another one or was restored: its transaction numbers start lower, so nothing stored holds any more.
      this.#store.reset(first.horizon);
      return;
    }
    for (let page: OutboxPage = first; ; page = await this.#readPage(position)) {
      await this.#deliver(page.entries);
      const last = page.entries.at(-1);
      if (last === undefined || page.entries.length < OUTBOX_PAGE_ROWS) break;
      position = { ...position, afterXid: last.xid, afterId: last.id };
    }
    this.#store.advance(first.horizon);
    if (first.horizon !== startHorizon) await this.#query(deleteOutboxBelow(first.horizon));
  }

  /** Missions that wait for a grant may be able to run under other keys or another model, and no change of theirs will tell. */
  async #grantsChanged(): Promise<boolean> {
    if (this.#grantsLooked) return false;
    const { privateKeysPem, jwksUrl, modelIsLocal } = this.#settings.grants;
    const keys = privateKeysPem === null ? [] : await importRunnerPrivateKeys(privateKeysPem);
    this.#grantsLooked = true;
    return this.#store.noteGrantSettings(
      JSON.stringify([keys.map(({ kid }) => kid), jwksUrl, modelIsLocal]),
    );
  }

  /**
   * What the trigger could not note is found by a sweep, but not before its transaction has ended: the count rises at once, the rows are
   * seen with the commit. All transactions that it may be about are below the newest of now.
   */
  #noticeMissedChanges({ missed, horizon, newest }: FirstPage): void {
    const known = this.#store.missedChanges();
    if (missed !== known) this.#store.noteMissedChanges(missed, known === null ? null : newest);
    const belowXid = this.#store.missedBelowXid();
    if (belowXid === null || BigInt(horizon) < BigInt(belowXid)) return;
    this.#store.clearMissed();
    this.#store.startSweep(Date.now());
  }

  #sweepIsDue(): boolean {
    return Date.now() - this.#store.lastSweepMs() > SWEEP_EVERY_MS;
  }

  /** Users are refreshed before their entries count as delivered: a crash between repeats a refresh, which changes nothing. */
  async #deliver(entries: readonly OutboxEntry[]): Promise<void> {
    const fresh = entries.filter((entry) => !this.#store.isDelivered(entry.id));
    const sinceByUser = new Map<string, string>();
    for (const { userId, since } of fresh) {
      const known = sinceByUser.get(userId);
      if (known === undefined || since < known) sinceByUser.set(userId, since);
    }
    const users = [...sinceByUser].map(([userId, since]) => ({ userId, since }));
    for (let start = 0; start < users.length; start += SLICE_USERS) {
      await this.#refreshSlice(users.slice(start, start + SLICE_USERS));
    }
    this.#store.markDelivered(fresh);
  }

  async #sweepSlice(): Promise<void> {
    const cursor = this.#store.sweepCursor();
    if (cursor === null) return;
    const rows = await this.#query(selectUsersAfter(cursor, SLICE_USERS));
    const users = rows.map((row) => String(row['user_id']));
    await this.#refreshSlice(users.map((userId) => ({ userId, since: null })));
    this.#store.advanceSweep(users.length < SLICE_USERS ? null : (users.at(-1) ?? null));
  }

  async #refreshSlice(users: readonly UserSince[]): Promise<void> {
    const outcomes: RefreshOutcome[] = [];
    for (let start = 0; start < users.length; start += USERS_AT_ONCE) {
      const some = users.slice(start, start + USERS_AT_ONCE);
      outcomes.push(...(await Promise.all(some.map((user) => this.#refreshUser(user)))));
    }
    const agenda = outcomes.flatMap((outcome) =>
      outcome.kind === 'refreshed' ? [outcome.entry] : [],
    );
    await this.#dispatcher().register(agenda);
    // The database is away: these entries must not count as delivered, so the poll ends here and is repeated.
    const away = outcomes.find((outcome) => outcome.kind === 'away');
    if (away !== undefined) throw new FeedError(away);
  }

  /** One user's unreadable log is that user's trouble alone: it is tried again later, and everybody else goes on. */
  async #refreshUser({ userId, since }: UserSince): Promise<RefreshOutcome> {
    const refreshed = await this.#refreshed({ userId, since });
    if (refreshed.ok) {
      this.#store.clearFailure(userId);
      return { kind: 'refreshed', entry: { userId, dueMs: refreshed.nextDueMs } };
    }
    if (refreshed.passing)
      return { kind: 'away', code: refreshed.code, message: refreshed.message };
    metrics.skippedRows.inc({ reason: 'user-log-unreadable' });
    this.#log.warn('the log of a user could not be read; it is tried again', {
      code: refreshed.code,
    });
    this.#store.noteFailure(
      userId,
      since,
      (failures) => Date.now() + backOffMs(failures, Math.random()),
    );
    return { kind: 'unreadable' };
  }

  async #refreshed({ userId, since }: UserSince): Promise<Refreshed> {
    try {
      return await callAgainOnReset(async (): Promise<Refreshed> =>
        this.env.USER_MISSIONS.getByName(userId).refresh(userId, since),
      );
    } catch {
      return {
        ok: false,
        code: 'USER_LOG_UNREADABLE',
        message: 'the log of a user could not be read',
        passing: false,
      };
    }
  }

  async #retryFailures(): Promise<void> {
    await this.#refreshSlice(this.#store.failuresDue(Date.now(), SLICE_USERS));
  }

  /** The count is read before the snapshot of the page: it holds no transaction that began after that. */
  async #readFirstPage(position: OutboxPosition): Promise<FirstPage> {
    const statements = [selectMissedChanges(), selectOutboxPage(position)];
    const [missed, page] = await this.#database.transaction({
      role: 'mana_ai_runner',
      userId: null,
      statements,
    });
    return { ...pageOf(page?.[0]), missed: String(missed?.[0]?.['missed']) };
  }

  async #readPage(position: OutboxPosition): Promise<OutboxPage> {
    const [row] = await this.#query(selectOutboxPage(position));
    return pageOf(row);
  }

  async #query(statement: Statement): Promise<readonly Row[]> {
    const [rows] = await this.#database.transaction({
      role: 'mana_ai_runner',
      userId: null,
      statements: [statement],
    });
    return rows ?? [];
  }
}

function pageOf(row: Row | undefined): OutboxPage {
  return {
    horizon: String(row?.['horizon']),
    newest: String(row?.['newest']),
    entries: JSON.parse(String(row?.['entries'])) as OutboxEntry[],
  };
}

/** Ends a poll that has to be repeated. */
class FeedError extends Error {
  override name = 'FeedError';
  readonly code: string;
  constructor({ code, message }: { code: string; message: string }) {
    super(message);
    this.code = code;
  }
}

/** A half-open connection says nothing by itself. */
async function answers(client: Client): Promise<boolean> {
  try {
    const silence = scheduler.wait(LISTENER_ANSWER_MS).then(() => false);
    return await Promise.race([client.query('select 1').then(() => true), silence]);
  } catch {
    return false;
  }
}

/** null where what went wrong says nothing about Postgres. */
function reportOf(failure: unknown): PostgresReport | null {
  if (failure === null) return { kind: 'readable' };
  if (failure instanceof FeedError || (failure instanceof PostgresError && isOutage(failure)))
    return { kind: 'outage', code: failure.code, message: failure.message };
  return null;
}

function codeOf(thrown: unknown): string {
  return thrown instanceof PostgresError || thrown instanceof FeedError ? thrown.code : 'INTERNAL';
}
