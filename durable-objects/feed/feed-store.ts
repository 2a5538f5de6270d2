import { type StorageSteps, takeSteps } from '../life/storage-steps.ts';

export type UnreadableUser = { userId: string; since: string | null };

type Delivered = { id: string; xid: string };

const TABLES: StorageSteps = {
  store: 'feed',
  steps: [
    // xid is text of 20 digits: transaction numbers have 64 bits, and their text sorts only if it
    // is padded.
    `create table if not exists feed (name text primary key, value text not null);
    create table if not exists delivered (id text primary key, xid text not null);
    create table if not exists failures (
      user_id text primary key, since text, failures integer not null, retry_at_ms integer not null
    );`,
  ],
};

/**
 * What the change feed remembers: its horizon in the outbox, what it delivered above it, and where
 * a sweep stands.
 */
export class FeedStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    takeSteps(sql, TABLES);
  }

  /** The oldest transaction that was open at the last poll; null before the first one. */
  horizon(): string | null {
    return this.#get('horizon');
  }

  advance(horizon: string): void {
    this.#set('horizon', horizon);
    this.#sql.exec(`delete from delivered where xid < ?`, padded(horizon));
  }

  /** Forgets the transactions of a server that was replaced or restored. */
  reset(horizon: string): void {
    this.#sql.exec(`delete from delivered`);
    this.#set('horizon', horizon);
  }

  isDelivered(id: string): boolean {
    return this.#sql.exec(`select 1 from delivered where id = ?`, id).toArray().length > 0;
  }

  markDelivered(entries: readonly Delivered[]): void {
    for (const { id, xid } of entries) {
      this.#sql.exec(`insert or ignore into delivered (id, xid) values (?, ?)`, id, padded(xid));
    }
  }

  /** Users whose log could not be read and whose back-off is over. */
  failuresDue(nowMs: number, limit: number): UnreadableUser[] {
    return this.#sql
      .exec<{ user_id: string; since: string | null }>(
        `select user_id, since from failures where retry_at_ms <= ? order by retry_at_ms limit ?`,
        nowMs,
        limit,
      )
      .toArray()
      .map((row) => ({ userId: row.user_id, since: row.since }));
  }

  /**
   * Notes that a user's log could not be read. The earliest `since` is kept (null: the whole log);
   * `retryAt` takes the number of failures in a row.
   */
  noteFailure(userId: string, since: string | null, retryAt: (failures: number) => number): void {
    const [known] = this.#sql
      .exec<{ since: string | null; failures: number }>(
        `select since, failures from failures where user_id = ?`,
        userId,
      )
      .toArray();
    const failures = (known?.failures ?? 0) + 1;
    const earliest = known === undefined ? since : earlier(known.since, since);
    this.#sql.exec(
      `insert or replace into failures (user_id, since, failures, retry_at_ms) values (?, ?, ?, ?)`,
      userId,
      earliest,
      failures,
      retryAt(failures),
    );
  }

  hasFailure(userId: string): boolean {
    return this.#sql.exec(`select 1 from failures where user_id = ?`, userId).toArray().length > 0;
  }

  clearFailure(userId: string): void {
    this.#sql.exec(`delete from failures where user_id = ?`, userId);
  }

  /**
   * How many changes the trigger could not note, as of the last poll; null before the first poll.
   */
  missedChanges(): string | null {
    return this.#get('missed_changes');
  }

  /**
   * `sweepFromXid`: the transactions of the missed changes are below it; null: no sweep is needed
   * for them.
   */
  noteMissedChanges(count: string, sweepFromXid: string | null): void {
    this.#set('missed_changes', count);
    if (sweepFromXid !== null) this.#set('missed_below_xid', sweepFromXid);
  }

  /**
   * Once the horizon has passed this transaction, a sweep finds what was missed; null if nothing
   * was missed.
   */
  missedBelowXid(): string | null {
    return this.#get('missed_below_xid');
  }

  clearMissed(): void {
    this.#sql.exec(`delete from feed where name = 'missed_below_xid'`);
  }

  /** The name of the agenda that knows all users; null before the first sweep. */
  agendaId(): string | null {
    return this.#get('agenda_id');
  }

  setAgendaId(id: string): void {
    this.#set('agenda_id', id);
  }

  /** User id after which the running sweep goes on; null when none runs. */
  sweepCursor(): string | null {
    return this.#get('sweep_cursor');
  }

  /** Answers whether the settings differ from those of the last start. They hold nothing secret. */
  noteGrantSettings(settings: string): boolean {
    const known = this.#get('grant_settings');
    if (known !== settings) this.#set('grant_settings', settings);
    return known !== null && known !== settings;
  }

  startSweep(nowMs: number): void {
    this.#set('last_sweep_ms', String(nowMs));
    this.#set('sweep_cursor', '');
  }

  advanceSweep(userId: string | null): void {
    if (userId !== null) this.#set('sweep_cursor', userId);
    else this.#sql.exec(`delete from feed where name = 'sweep_cursor'`);
  }

  lastSweepMs(): number {
    return Number(this.#get('last_sweep_ms') ?? 0);
  }

  #get(name: string): string | null {
    const [row] = this.#sql
      .exec<{ value: string }>(`select value from feed where name = ?`, name)
      .toArray();
    return row?.value ?? null;
  }

  #set(name: string, value: string): void {
    this.#sql.exec(`insert or replace into feed (name, value) values (?, ?)`, name, value);
  }
}

function earlier(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return null;
  return a < b ? a : b;
}

function padded(xid: string): string {
  return xid.padStart(20, '0');
}
