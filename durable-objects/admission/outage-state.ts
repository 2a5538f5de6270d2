import { backOffMs } from '../../src/missions/back-off.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import { type StorageSteps, takeSteps } from '../life/storage-steps.ts';

export type Outage = {
  code: string;
  message: string;
  sinceMs: number;
  failures: number;
  retryAtMs: number;
};

/**
 * One failure of a dependency that would have met any user. `retryAfterMs`: the wait that the
 * dependency itself asked for, or null. `sinceMs`: when the failed call began, if that is known.
 */
export type OutageReport = {
  code: string;
  message: string;
  retryAfterMs: number | null;
  sinceMs?: number;
};

export type DependencyState = {
  ok: boolean;
  since?: string;
  error?: { code: string; message: string };
};

type OutageRow = {
  code: string;
  message: string;
  since_ms: number;
  failures: number;
  retry_at_ms: number;
};

const TABLES: StorageSteps = {
  store: 'outages',
  steps: [
    `create table if not exists outages (
      dependency text primary key, code text not null, message text not null,
      since_ms integer not null, failures integer not null, retry_at_ms integer not null
    );`,
  ],
};

/**
 * Whether one dependency that all users share is up, or down with a back-off after which one user
 * may test it. Every method is one synchronous step.
 */
export class OutageState {
  readonly #sql: SqlStorage;
  readonly #dependency: 'llm' | 'postgres';

  constructor(sql: SqlStorage, dependency: 'llm' | 'postgres') {
    this.#sql = sql;
    this.#dependency = dependency;
    takeSteps(sql, TABLES);
    this.#gauge();
  }

  current(): Outage | null {
    const [row] = this.#sql
      .exec<OutageRow>(`select * from outages where dependency = ?`, this.#dependency)
      .toArray();
    if (row === undefined) return null;
    const { code, message, since_ms: sinceMs, failures, retry_at_ms: retryAtMs } = row;
    return { code, message, sinceMs, failures, retryAtMs };
  }

  /**
   * Counts a failure. If the failed call began before the test was due, it tells of the outage that
   * is known already, however late it comes; only a failed test makes the back-off longer. `random`
   * in [0, 1).
   */
  record(
    { code, message, retryAfterMs, sinceMs }: OutageReport,
    nowMs: number,
    random: number,
  ): void {
    const known = this.current();
    const isEcho = known !== null && known.retryAtMs > (sinceMs ?? nowMs);
    const failures = isEcho ? known.failures : (known?.failures ?? 0) + 1;
    const backOffEndMs = isEcho ? known.retryAtMs : nowMs + backOffMs(failures, random);
    this.#save({
      code,
      message,
      sinceMs: known?.sinceMs ?? nowMs,
      failures,
      retryAtMs: Math.max(backOffEndMs, nowMs + (retryAfterMs ?? 0)),
    });
  }

  /** Makes the test due now; what is known of the outage stays. */
  testNow(nowMs: number): void {
    this.#sql.exec(
      `update outages set retry_at_ms = ? where dependency = ? and retry_at_ms > ?`,
      nowMs,
      this.#dependency,
      nowMs,
    );
  }

  clear(): void {
    if (this.current() === null) return;
    this.#sql.exec(`delete from outages where dependency = ?`, this.#dependency);
    this.#gauge();
  }

  /** For /health and the status of missions. */
  state(): DependencyState {
    const outage = this.current();
    if (outage === null) return { ok: true };
    const { code, message, sinceMs } = outage;
    return { ok: false, since: new Date(sinceMs).toISOString(), error: { code, message } };
  }

  #save({ code, message, sinceMs, failures, retryAtMs }: Outage): void {
    this.#sql.exec(
      `insert or replace into outages (dependency, code, message, since_ms, failures, retry_at_ms) values (?, ?, ?, ?, ?, ?)`,
      this.#dependency,
      code,
      message,
      sinceMs,
      failures,
      retryAtMs,
    );
    this.#gauge();
  }

  #gauge(): void {
    metrics.outages[this.#dependency].set(this.current() === null ? 0 : 1);
  }
}
