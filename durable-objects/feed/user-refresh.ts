import { backOffMs } from '../../src/missions/back-off.ts';
import { createLogger } from '../../src/telemetry/logs.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import type { AgendaEntry } from '../admission/agenda-store.ts';
import { type Refreshed, UNREADABLE_LOG } from '../projection/refreshed.ts';
import { FeedError } from './feed-error.ts';
import type { FeedStore } from './feed-store.ts';

/** Objects called by one event stay in memory until it ends, so users are refreshed in slices. */
export const SLICE_USERS = 64;

/**
 * More objects at once would only be open for longer: they wait for the few connections to
 * PostgreSQL.
 */
const USERS_AT_ONCE = 16;

/** `since`: an instant of the log, from which on the user's rows are read; null: all of them. */
export type UserSince = { userId: string; since: string | null };

export type RefreshPorts = {
  store: FeedStore;
  /** asks the user's object */
  refresh: (userId: string, since: string | null) => Promise<Refreshed>;
  /** tells the agenda when the users are due next */
  register: (entries: readonly AgendaEntry[]) => Promise<void>;
};

type Outcome =
  | { kind: 'refreshed'; entry: AgendaEntry }
  | { kind: 'away'; code: string; message: string }
  | { kind: 'unreadable' };

/**
 * Refreshes users' objects and registers when they are due. A user whose log cannot be read is
 * tried again later.
 */
export class UserRefresh {
  readonly #ports: RefreshPorts;
  readonly #log = createLogger({ component: 'change-feed' });

  constructor(ports: RefreshPorts) {
    this.#ports = ports;
  }

  /**
   * Refreshes any number of users, slice by slice.
   * @throws FeedError if PostgreSQL is away: these users must not count as refreshed
   */
  async refreshAll(users: readonly UserSince[]): Promise<void> {
    for (let start = 0; start < users.length; start += SLICE_USERS)
      await this.refreshSlice(users.slice(start, start + SLICE_USERS));
  }

  /** Refreshes at most `SLICE_USERS` users. @throws FeedError */
  async refreshSlice(users: readonly UserSince[]): Promise<void> {
    const outcomes: Outcome[] = [];
    for (let start = 0; start < users.length; start += USERS_AT_ONCE) {
      const some = users.slice(start, start + USERS_AT_ONCE);
      outcomes.push(...(await Promise.all(some.map((user) => this.#refreshUser(user)))));
    }
    const entries = outcomes.flatMap((outcome) =>
      outcome.kind === 'refreshed' ? [outcome.entry] : [],
    );
    await this.#ports.register(entries);
    const away = outcomes.find((outcome) => outcome.kind === 'away');
    if (away !== undefined) throw new FeedError(away);
  }

  /** Tries the users again whose log could not be read. @throws FeedError */
  async retryFailures(): Promise<void> {
    await this.refreshSlice(this.#ports.store.failuresDue(Date.now(), SLICE_USERS));
  }

  /** One user's unreadable log is that user's trouble alone: everybody else goes on. */
  async #refreshUser({ userId, since }: UserSince): Promise<Outcome> {
    const { store } = this.#ports;
    const refreshed = await this.#refreshed(userId, since);
    if (refreshed.ok) {
      store.clearFailure(userId);
      return { kind: 'refreshed', entry: { userId, dueMs: refreshed.nextDueMs } };
    }
    const { code, message } = refreshed;
    if (refreshed.passing) return { kind: 'away', code, message };
    metrics.skippedRows.inc({ reason: 'user-log-unreadable' });
    this.#log.warn('the log of a user could not be read; it is tried again', { code });
    store.noteFailure(userId, since, retryAtMs);
    return { kind: 'unreadable' };
  }

  async #refreshed(userId: string, since: string | null): Promise<Refreshed> {
    try {
      return await this.#ports.refresh(userId, since);
    } catch {
      return UNREADABLE_LOG;
    }
  }
}

function retryAtMs(failures: number): number {
  return Date.now() + backOffMs(failures, Math.random());
}
