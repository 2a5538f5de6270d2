import { addColumn, type StorageSteps, takeSteps } from '../life/storage-steps.ts';

export type AgendaEntry = { userId: string; dueMs: number | null };

/** The last instant of Date stands for users who have nothing due. */
const NEVER_MS = 8_640_000_000_000_000;

/**
 * A user with nothing due is remembered this long. If not, each new mission would start from the
 * head of the queue.
 */
const REMEMBER_SERVED_MS = 24 * 60 * 60_000;

const TABLES: StorageSteps = {
  store: 'agenda',
  steps: [
    // A user comes after those who were due before this user's last turn ended: ready_ms keeps that
    // order. Thousands of a herd are ready at the same millisecond; without the user id in the
    // index every turn would sort them all.
    `create table if not exists agenda (
      user_id text primary key,
      due_ms integer not null,
      ready_ms integer not null,
      served_ms integer not null default 0
    );
    drop index if exists agenda_ready;
    create index if not exists agenda_order on agenda (ready_ms, user_id);
    create table if not exists agenda_identity (
      one integer primary key check (one = 1), id text not null
    );`,
    // Turns in a row that ended without a report, and until when the user waits for it.
    addColumn('agenda', 'unreported', 'integer not null default 0'),
    addColumn('agenda', 'retry_at_ms', 'integer not null default 0'),
  ],
};

/**
 * The Dispatcher's agenda. Every method is one synchronous step, so what it reads and writes
 * belongs to one commit.
 */
export class AgendaStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    takeSteps(sql, TABLES);
  }

  /** The agenda's name: made once, and lost with everything else that is stored here. */
  id(make: () => string): string {
    const [row] = this.#sql.exec<{ id: string }>(`select id from agenda_identity`).toArray();
    if (row !== undefined) return row.id;
    const id = make();
    this.#sql.exec(`insert into agenda_identity (one, id) values (1, ?)`, id);
    return id;
  }

  /** A user without a due time stays on the agenda only if a turn of theirs is to be remembered. */
  setDue({ userId, dueMs }: AgendaEntry): void {
    if (dueMs === null)
      this.#sql.exec(`delete from agenda where user_id = ? and served_ms = 0`, userId);
    this.#sql.exec(
      dueMs === null
        ? `update agenda set due_ms = ?2, ready_ms = ?2 where user_id = ?1 and due_ms <> ?2`
        : `insert into agenda (user_id, due_ms, ready_ms) values (?1, ?2, ?2)
           on conflict (user_id) do update set due_ms = ?2, ready_ms = max(?2, served_ms, retry_at_ms)
             where due_ms <> ?2`,
      userId,
      dueMs ?? NEVER_MS,
    );
  }

  /** A turn has ended. The user's next one comes after everybody who is ready by now. */
  serve(userId: string, nextDueMs: number | null, nowMs: number): void {
    this.#sql.exec(
      `insert into agenda (user_id, due_ms, ready_ms, served_ms) values (?1, ?2, max(?2, ?3), ?3)
       on conflict (user_id) do update set due_ms = ?2, ready_ms = max(?2, ?3), served_ms = ?3,
         unreported = 0, retry_at_ms = 0`,
      userId,
      nextDueMs ?? NEVER_MS,
      nowMs,
    );
  }

  /**
   * A turn ended without a report. It was a turn all the same: the user comes after all who are
   * ready by now, and not before `retryAtMs` (which takes the number of such turns in a row).
   * @returns that number
   */
  serveUnreported(
    userId: string,
    nowMs: number,
    retryAtMs: (unreported: number) => number,
  ): number {
    const [row] = this.#sql
      .exec<{ unreported: number }>(`select unreported from agenda where user_id = ?`, userId)
      .toArray();
    if (row === undefined) return 0;
    const unreported = row.unreported + 1;
    this.#sql.exec(
      `update agenda set served_ms = ?2, unreported = ?3, retry_at_ms = ?4, ready_ms = max(due_ms, ?2, ?4)
       where user_id = ?1`,
      userId,
      nowMs,
      unreported,
      retryAtMs(unreported),
    );
    return unreported;
  }

  /**
   * How many users' last turns did not report, and since when at the latest (ms); null where all
   * did.
   */
  unreported(): { users: number; sinceMs: number } | null {
    const [row] = this.#sql
      .exec<{ users: number; since_ms: number | null }>(
        `select count(*) as users, min(served_ms) as since_ms from agenda where unreported > 0`,
      )
      .toArray();
    if (row === undefined || row.users === 0) return null;
    return { users: row.users, sinceMs: row.since_ms ?? 0 };
  }

  remove(userId: string): void {
    this.#sql.exec(`delete from agenda where user_id = ?`, userId);
  }

  has(userId: string): boolean {
    return this.#sql.exec(`select 1 from agenda where user_id = ?`, userId).toArray().length > 0;
  }

  /** Forgets users who have nothing due and whose last turn is long over. */
  forgetServed(nowMs: number): void {
    this.#sql.exec(
      `delete from agenda where ready_ms = ? and served_ms < ?`,
      NEVER_MS,
      nowMs - REMEMBER_SERVED_MS,
    );
  }

  /** The users who are ready, in the order in which they became ready; at most `limit`. */
  ready(nowMs: number, limit: number): { userId: string; dueMs: number }[] {
    return this.#sql
      .exec<{ user_id: string; due_ms: number }>(
        `select user_id, due_ms from agenda where ready_ms <= ? order by ready_ms, user_id limit ?`,
        nowMs,
        limit,
      )
      .toArray()
      .map(({ user_id: userId, due_ms: dueMs }) => ({ userId, dueMs }));
  }

  /** All users who are ready; a herd makes them many. */
  readyUsers(nowMs: number): string[] {
    return this.ready(nowMs, -1).map(({ userId }) => userId);
  }

  readyCount(nowMs: number): number {
    return this.#sql
      .exec<{ users: number }>(`select count(*) as users from agenda where ready_ms <= ?`, nowMs)
      .one().users;
  }

  /** When (ms) the next user becomes ready who is not in `except`; null if nobody does. */
  earliestReadyMs(except: { has(userId: string): boolean; count(): number }): number | null {
    const first = this.#sql
      .exec<{ user_id: string; ready_ms: number }>(
        `select user_id, ready_ms from agenda order by ready_ms limit ?`,
        except.count() + 1,
      )
      .toArray()
      .find((row) => !except.has(row.user_id));
    return first === undefined || first.ready_ms === NEVER_MS ? null : first.ready_ms;
  }
}
