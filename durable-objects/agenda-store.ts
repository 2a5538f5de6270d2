export type AgendaEntry = { userId: string; dueMs: number | null };
export type Lease = { boot: string; expiresMs: number };

/** The dispatcher's tables. Every method is one synchronous step: what it reads and writes belongs to one commit. */
export class AgendaStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(`
      create table if not exists agenda (
        user_id text primary key,
        due_ms integer not null,
        -- fairness: a user comes after those who were due before this user's last turn ended
        ready_ms integer not null,
        served_ms integer not null default 0
      );
      create index if not exists agenda_ready on agenda (ready_ms);
      create table if not exists leases (
        user_id text primary key,
        boot text not null,
        expires_ms integer not null,
        permit integer not null default 0
      );
      create table if not exists admissions (one integer primary key check (one = 1), last_ms integer not null);
    `);
  }

  setDue({ userId, dueMs }: AgendaEntry): void {
    if (dueMs === null) {
      this.#sql.exec(`delete from agenda where user_id = ?`, userId);
      return;
    }
    this.#sql.exec(
      `insert into agenda (user_id, due_ms, ready_ms) values (?1, ?2, ?2)
       on conflict (user_id) do update set due_ms = ?2, ready_ms = max(?2, served_ms)`,
      userId,
      dueMs,
    );
  }

  /** Moves up to `limit` ready users into leases, those first who became ready first. */
  takeReady(nowMs: number, limit: number, lease: Lease): { userId: string; dueMs: number }[] {
    const ready = this.#sql
      .exec<{ user_id: string; due_ms: number }>(
        `select user_id, due_ms from agenda
         where ready_ms <= ?1 and user_id not in (select user_id from leases) order by ready_ms, user_id limit ?2`,
        nowMs,
        limit,
      )
      .toArray();
    for (const { user_id: userId } of ready) {
      this.#sql.exec(
        `insert into leases (user_id, boot, expires_ms) values (?, ?, ?)`,
        userId,
        lease.boot,
        lease.expiresMs,
      );
    }
    if (ready.length > 0) this.#sql.exec(`insert or replace into admissions (one, last_ms) values (1, ?)`, nowMs);
    return ready.map(({ user_id: userId, due_ms: dueMs }) => ({ userId, dueMs }));
  }

  release(userId: string, nextDueMs: number | null, nowMs: number): void {
    this.#sql.exec(`delete from leases where user_id = ?`, userId);
    if (nextDueMs === null) {
      this.#sql.exec(`delete from agenda where user_id = ?`, userId);
      return;
    }
    this.#sql.exec(
      `insert into agenda (user_id, due_ms, ready_ms, served_ms) values (?1, ?2, max(?2, ?3), ?3)
       on conflict (user_id) do update set due_ms = ?2, ready_ms = max(?2, ?3), served_ms = ?3`,
      userId,
      nextDueMs,
      nowMs,
    );
  }

  dueUsers(nowMs: number): string[] {
    return this.#sql
      .exec<{ user_id: string }>(`select user_id from agenda where ready_ms <= ? order by ready_ms`, nowMs)
      .toArray()
      .map((row) => row.user_id);
  }

  earliestReadyMs(): number | null {
    return this.#number(`select min(ready_ms) as value from agenda where user_id not in (select user_id from leases)`);
  }

  leaseCount(): number {
    return this.#number(`select count(*) as value from leases`) ?? 0;
  }

  earliestLeaseExpiryMs(): number | null {
    return this.#number(`select min(expires_ms) as value from leases`);
  }

  /** Moves the end of a lease, later or sooner. */
  renewLease(userId: string, expiresMs: number): void {
    this.#sql.exec(`update leases set expires_ms = ? where user_id = ?`, expiresMs, userId);
  }

  dropExpiredLeases(nowMs: number): void {
    this.#sql.exec(`delete from leases where expires_ms <= ?`, nowMs);
  }

  dropLeasesOfOtherBoots(boot: string): void {
    this.#sql.exec(`delete from leases where boot <> ?`, boot);
  }

  permitsHeld(): number {
    return this.#number(`select count(*) as value from leases where permit = 1`) ?? 0;
  }

  /** Also restores the lease of a user whose lease ran out while it was waiting. */
  grantPermit(userId: string, lease: Lease): void {
    this.#sql.exec(
      `insert into leases (user_id, boot, expires_ms, permit) values (?1, ?2, ?3, 1)
       on conflict (user_id) do update set boot = ?2, expires_ms = ?3, permit = 1`,
      userId,
      lease.boot,
      lease.expiresMs,
    );
  }

  revokePermit(userId: string): void {
    this.#sql.exec(`update leases set permit = 0 where user_id = ?`, userId);
  }

  lastAdmissionMs(): number | null {
    return this.#number(`select last_ms as value from admissions`);
  }

  #number(query: string): number | null {
    const [row] = this.#sql.exec<{ value: number | null }>(query).toArray();
    return row?.value ?? null;
  }
}
