import { OutageState } from './outage-state.ts';
import type { TurnReport } from './turn-report.ts';

/** What somebody learned of PostgreSQL: it can be read, or it can serve nobody. */
export type PostgresReport =
  { kind: 'readable' } | { kind: 'outage'; code: string; message: string };

/** The outages of the model and of PostgreSQL, which all users share. */
export class Outages {
  readonly llm: OutageState;
  readonly #postgres: OutageState;

  constructor(sql: SqlStorage) {
    this.llm = new OutageState(sql, 'llm');
    this.#postgres = new OutageState(sql, 'postgres');
  }

  get postgres(): Pick<OutageState, 'current' | 'state'> {
    return this.#postgres;
  }

  isAnythingDown(): boolean {
    return this.llm.current() !== null || this.#postgres.current() !== null;
  }

  /** From this moment (ms) on a user may be admitted: as a test, while anything is down. */
  testableMs(): number {
    const moments = [this.llm.current()?.retryAtMs, this.#postgres.current()?.retryAtMs];
    return Math.max(0, ...moments.map((moment) => moment ?? 0));
  }

  testNow(nowMs: number): void {
    this.llm.testNow(nowMs);
    this.#postgres.testNow(nowMs);
  }

  /** What a turn shows of PostgreSQL. `random` in [0, 1). */
  judgeTurn({ postgresOutage, turn }: TurnReport, nowMs: number, random: number): void {
    if (postgresOutage !== undefined) this.#recordPostgres(postgresOutage, nowMs, random);
    else if (turn === 'planned') this.#postgres.clear();
    else this.#postgresIsReadable();
  }

  /**
   * What the change feed found out about PostgreSQL. `random` in [0, 1).
   * @returns whether the next admission may be another one now
   */
  judgePostgres(report: PostgresReport, nowMs: number, random: number): boolean {
    const wasDown = this.#postgres.current() !== null;
    if (report.kind === 'outage') this.#recordPostgres(report, nowMs, random);
    else this.#postgresIsReadable();
    return wasDown || report.kind === 'outage';
  }

  #recordPostgres(outage: { code: string; message: string }, nowMs: number, random: number): void {
    const { code, message } = outage;
    this.#postgres.record({ code, message, retryAfterMs: null }, nowMs, random);
  }

  /** If PostgreSQL took no writes, only a plan that was written shows that it takes them again. */
  #postgresIsReadable(): void {
    if (this.#postgres.current()?.code !== 'POSTGRES_READ_ONLY') this.#postgres.clear();
  }
}
