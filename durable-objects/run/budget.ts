import type { Agent } from '../../src/missions/agent.ts';
import type { Usage } from '../../src/planner/chat.ts';
import type { LlmErrorKind } from '../../src/model/llm-client.ts';
import type { BudgetUse } from '../../src/planner/reminders.ts';
import type { Hold } from '../../src/missions/standing.ts';
import type { Reservation, TokenBudget } from './token-budget.ts';

/** Errors before which the model may have read, and charged for, the whole prompt. */
const COSTLY: ReadonlySet<LlmErrorKind> = new Set([
  'timeout',
  'cancelled',
  'empty-answer',
  'answer-truncated',
  'bad-answer',
  'context-truncated',
  'tool-less',
]);

/** Errors after which the answer counts as the longest that was allowed. */
const USED_UP: ReadonlySet<LlmErrorKind> = new Set(['empty-answer', 'answer-truncated']);

/** An estimate of a prompt may be too low by this factor. */
const CAUTION = 1.25;

/** The tokens that one call may cost at most: the estimated prompt, and the longest answer. */
export type CallSize = { promptTokens: number; answerTokens: number };

/**
 * One run's share of its agent's tokens. A run without an agent has no limit, and nothing is noted
 * for it.
 */
export class RunBudget {
  readonly #ledger: TokenBudget;
  readonly #agent: Agent | null;
  #open: Reservation | null = null;

  constructor(ledger: TokenBudget, agent: Agent | null) {
    this.#ledger = ledger;
    this.#agent = agent;
  }

  /** The hold that keeps the run from its next call; null while tokens are left. */
  obstacle(nowMs: number): Hold | null {
    const use = this.use(nowMs);
    if (use === null || this.#agent === null || use.usedTokens < use.maxTokens) return null;
    return {
      reason: 'budget',
      untilMs: this.#ledger.freesAtMs(this.#agent.id, use.maxTokens, nowMs),
    };
  }

  /** How much of the last 24 hours' budget is used; null if the agent has no limit. */
  use(nowMs: number): BudgetUse | null {
    if (this.#agent === null || this.#agent.maxTokensPerDay === null) return null;
    return {
      usedTokens: this.#ledger.used(this.#agent.id, nowMs),
      maxTokens: this.#agent.maxTokensPerDay,
    };
  }

  /**
   * Reserves the tokens of a call, on disk before the call leaves. Answers a hold if the call may
   * not be made.
   */
  begin(size: CallSize, nowMs: number): Hold | null {
    const agent = this.#agent;
    if (agent === null || agent.maxTokensPerDay === null) return null;
    const wanted = Math.ceil(size.promptTokens * CAUTION) + size.answerTokens;
    const verdict = this.#ledger.reserve({
      agentId: agent.id,
      limit: agent.maxTokensPerDay,
      wanted,
      nowMs,
    });
    if (!verdict.ok) return { reason: 'budget', untilMs: verdict.untilMs };
    this.#open = verdict.reservation;
    return null;
  }

  /** The call was answered and cost this many tokens. */
  answered(tokens: number, nowMs: number): void {
    if (this.#open !== null) this.#ledger.settle(this.#open, tokens);
    else if (this.#agent !== null) this.#ledger.note(this.#agent.id, tokens, nowMs);
    this.#open = null;
  }

  /**
   * The call failed; `usage` is what the provider told of it. Answers what the call cost, in
   * tokens.
   */
  failed(kind: LlmErrorKind, usage: Usage, size: CallSize): number {
    const cost = costOfFailure(kind, usage, size);
    if (this.#open !== null && cost > 0) this.#ledger.settle(this.#open, cost);
    else if (this.#open !== null) this.#ledger.release(this.#open);
    this.#open = null;
    return cost;
  }
}

function costOfFailure(
  kind: LlmErrorKind,
  usage: Usage,
  { promptTokens, answerTokens }: CallSize,
): number {
  const told = (usage.promptTokens ?? 0) + (usage.completionTokens ?? 0);
  if (told > 0) return told;
  return (COSTLY.has(kind) ? promptTokens : 0) + (USED_UP.has(kind) ? answerTokens : 0);
}
