import type { Agent } from '../../src/missions/agent.ts';
import type { Usage } from '../../src/planner/chat.ts';
import type { LlmErrorKind } from '../../src/model/llm-client.ts';
import type { BudgetUse } from '../../src/planner/reminders.ts';
import type { Hold } from '../../src/missions/standing.ts';
import type { Reservation, TokenBudget } from './token-budget.ts';

/** Errors before which the model may have worked, and been paid, for a whole prompt. */
const COSTLY: ReadonlySet<LlmErrorKind> = new Set([
  'timeout',
  'cancelled',
  'empty-answer',
  'answer-truncated',
  'bad-answer',
  'context-truncated',
  'tool-less',
]);

/** Errors of an answer that was as long as it may be. */
const USED_UP: ReadonlySet<LlmErrorKind> = new Set(['empty-answer', 'answer-truncated']);

/** By how much an estimate of a prompt may fall short. */
const CAUTION = 1.25;

/** Tokens of one call at most: as the prompt is estimated, and the longest answer. */
export type CallSize = { promptTokens: number; answerTokens: number };

/** One run's share of its agent's tokens. Without an agent nobody set a limit and nothing is noted. */
export class RunBudget {
  readonly #ledger: TokenBudget;
  readonly #agent: Agent | null;
  #open: Reservation | null = null;

  constructor(ledger: TokenBudget, agent: Agent | null) {
    this.#ledger = ledger;
    this.#agent = agent;
  }

  /** What keeps the run from its next call; null while tokens are left. */
  obstacle(nowMs: number): Hold | null {
    const use = this.use(nowMs);
    if (use === null || this.#agent === null || use.usedTokens < use.maxTokens) return null;
    return {
      reason: 'budget',
      untilMs: this.#ledger.freesAtMs(this.#agent.id, use.maxTokens, nowMs),
    };
  }

  /** How much of the rolling day is used; null for an agent without a limit. */
  use(nowMs: number): BudgetUse | null {
    if (this.#agent === null || this.#agent.maxTokensPerDay === null) return null;
    return {
      usedTokens: this.#ledger.used(this.#agent.id, nowMs),
      maxTokens: this.#agent.maxTokensPerDay,
    };
  }

  /** Reserves the tokens of a call, on disk before the call leaves; a hold where it may not be made. */
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

  /** The call was answered, for so many tokens. */
  answered(tokens: number, nowMs: number): void {
    if (this.#open !== null) this.#ledger.settle(this.#open, tokens);
    else if (this.#agent !== null) this.#ledger.note(this.#agent.id, tokens, nowMs);
    this.#open = null;
  }

  /** The call failed; `usage` as far as the provider told it. Answers what it cost, in tokens. */
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
