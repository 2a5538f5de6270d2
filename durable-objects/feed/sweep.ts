import { ask } from '../../src/postgres/one-statement.ts';
import type { Database } from '../../src/postgres/port.ts';
import { selectUsersAfter } from '../../src/sync/feed-queries.ts';
import type { FeedStore } from './feed-store.ts';
import { SLICE_USERS, type UserRefresh } from './user-refresh.ts';

/**
 * From the start of one slice to the next, at least: ten thousand users within three minutes if the
 * disk keeps up.
 */
const SLICE_MS = 1_000;

/** Runs get a turn between two slices, however slow the slices are. */
const PAUSE_MS = 100;

const EVERY_MS = 24 * 60 * 60_000;

/**
 * The sweep over all users, slice by slice, for what the outbox cannot tell. Its place is stored.
 */
export class Sweep {
  readonly #store: FeedStore;
  readonly #database: Database;
  readonly #users: UserRefresh;

  constructor(ports: { store: FeedStore; database: Database; users: UserRefresh }) {
    this.#store = ports.store;
    this.#database = ports.database;
    this.#users = ports.users;
  }

  get isRunning(): boolean {
    return this.#store.sweepCursor() !== null;
  }

  isDue(nowMs: number): boolean {
    return nowMs - this.#store.lastSweepMs() > EVERY_MS;
  }

  /** Begins at the first user, also if a sweep runs already. */
  start(nowMs: number): void {
    this.#store.startSweep(nowMs);
  }

  /**
   * Refreshes the next users of a running sweep. @throws PostgresError, FeedError: the slice is
   * repeated
   */
  async slice(): Promise<void> {
    const cursor = this.#store.sweepCursor();
    if (cursor === null) return;
    const asker = { role: 'mana_ai_runner', userId: null } as const;
    const rows = await ask(this.#database, asker, selectUsersAfter(cursor, SLICE_USERS));
    const users = rows.map((row) => String(row['user_id']));
    await this.#users.refreshSlice(users.map((userId) => ({ userId, since: null })));
    this.#store.advanceSweep(users.length < SLICE_USERS ? null : (users.at(-1) ?? null));
  }

  /** How long to wait before the next slice, in ms; null if no sweep runs. */
  waitMs(sliceStartedMs: number, nowMs: number): number | null {
    return this.isRunning ? Math.max(PAUSE_MS, sliceStartedMs + SLICE_MS - nowMs) : null;
  }
}
