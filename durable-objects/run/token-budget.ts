import {
  BUDGET_WINDOW_MS,
  budgetFreesAtMs,
  mayCall,
  type Spending,
} from '../../src/missions/budget.ts';
import { type StorageSteps, takeSteps } from '../life/storage-steps.ts';

/** The reserved tokens of a call; `settle` or `release` ends the reservation. */
export type Reservation = { callId: number };

export type ReserveVerdict =
  | { ok: true; reservation: Reservation }
  /** `untilMs`: when it is worth asking again; null: not before the agent changes */
  | { ok: false; untilMs: number | null };

/**
 * If another call of the agent has reserved what is left, it is worth asking again after this time.
 */
const BUSY_MS = 5_000;

const TABLES: StorageSteps = {
  store: 'spendings',
  steps: [
    `create table if not exists spendings (
      call_id integer primary key autoincrement, agent_id text not null,
      at_ms integer not null, tokens integer not null
    );
    create index if not exists spendings_by_agent on spendings (agent_id, at_ms);`,
  ],
};

/**
 * What a user's agents spent in the last 24 hours, in tokens. A call is reserved on disk before it
 * leaves, and settled with its answer. If a crash cuts a call off, its whole reservation stays,
 * because nobody knows what the call cost. An object has one instance, which knows the open calls.
 */
export class TokenBudget {
  readonly #sql: SqlStorage;
  readonly #open = new Map<number, { agentId: string; tokens: number }>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    takeSteps(sql, TABLES);
  }

  /**
   * Asks for a call that needs at most `wanted` tokens for prompt and answer; `limit` is the
   * agent's for 24 hours.
   */
  reserve(call: { agentId: string; limit: number; wanted: number; nowMs: number }): ReserveVerdict {
    const { agentId, limit, wanted, nowMs } = call;
    this.#sql.exec(`delete from spendings where at_ms <= ?`, nowMs - BUDGET_WINDOW_MS);
    const used = this.used(agentId, nowMs);
    if (!mayCall({ limit, used, open: this.#openTokens(agentId), wanted })) {
      return {
        ok: false,
        untilMs: used < limit ? nowMs + BUSY_MS : this.freesAtMs(agentId, limit, nowMs),
      };
    }
    const callId = this.#insert(agentId, nowMs, wanted);
    this.#open.set(callId, { agentId, tokens: wanted });
    return { ok: true, reservation: { callId } };
  }

  /** The call ended and used these tokens. */
  settle({ callId }: Reservation, tokens: number): void {
    this.#open.delete(callId);
    this.#sql.exec(`update spendings set tokens = ? where call_id = ?`, tokens, callId);
  }

  /** The call ended and cost nothing. */
  release({ callId }: Reservation): void {
    this.#open.delete(callId);
    this.#sql.exec(`delete from spendings where call_id = ?`, callId);
  }

  /**
   * Notes the tokens of a call without a reservation: the agent has no limit now, but may get one
   * that counts them.
   */
  note(agentId: string, tokens: number, nowMs: number): void {
    this.#sql.exec(`delete from spendings where at_ms <= ?`, nowMs - BUDGET_WINDOW_MS);
    this.#insert(agentId, nowMs, tokens);
  }

  /** Tokens in the window, those of open calls and of calls that were cut off included. */
  used(agentId: string, nowMs: number): number {
    const [row] = this.#sql
      .exec<{ used: number }>(
        `select coalesce(sum(tokens), 0) as used from spendings where agent_id = ? and at_ms > ?`,
        agentId,
        nowMs - BUDGET_WINDOW_MS,
      )
      .toArray();
    return row?.used ?? 0;
  }

  /** When (ms) the agent may call again if nothing is added; null: never with this limit. */
  freesAtMs(agentId: string, limit: number, nowMs: number): number | null {
    const spendings = this.#sql
      .exec<Spending>(
        `select at_ms as atMs, tokens from spendings where agent_id = ? and at_ms > ? order by at_ms desc`,
        agentId,
        nowMs - BUDGET_WINDOW_MS,
      )
      .toArray();
    return budgetFreesAtMs(spendings, limit, nowMs);
  }

  #openTokens(agentId: string): number {
    return [...this.#open.values()]
      .filter((call) => call.agentId === agentId)
      .reduce((total, { tokens }) => total + tokens, 0);
  }

  #insert(agentId: string, nowMs: number, tokens: number): number {
    const [row] = this.#sql
      .exec<{ call_id: number }>(
        `insert into spendings (agent_id, at_ms, tokens) values (?, ?, ?) returning call_id`,
        agentId,
        nowMs,
        tokens,
      )
      .toArray();
    if (row === undefined) throw new Error('a spending was not written');
    return row.call_id;
  }
}
