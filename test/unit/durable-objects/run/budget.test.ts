import { expect, it } from 'vitest';
import { RunBudget } from '../../../../durable-objects/run/budget.ts';
import { TokenBudget } from '../../../../durable-objects/run/token-budget.ts';
import { parseAgent } from '../../../../src/missions/agent.ts';
import type { LlmErrorKind } from '../../../../src/model/llm-client.ts';
import { memorySql } from '../sqlite.ts';

const NOW = Date.UTC(2027, 0, 4);
const SIZE = { promptTokens: 1_000, answerTokens: 2_000 };
const SILENT = { promptTokens: null, completionTokens: null };

function spent(
  kind: LlmErrorKind,
  usage: { promptTokens: number | null; completionTokens: number | null },
) {
  const ledger = new TokenBudget(memorySql());
  const budget = new RunBudget(ledger, parseAgent({ id: 'a', maxTokensPerDay: 10_000 }));
  expect(budget.begin(SIZE, NOW)).toBeNull();
  const cost = budget.failed(kind, usage, SIZE);
  expect(ledger.used('a', NOW)).toBe(cost);
  return cost;
}

it.each([
  ['unreachable', SILENT, 0],
  ['bad-answer', SILENT, 1_000],
  ['empty-answer', SILENT, 3_000],
  ['answer-truncated', SILENT, 3_000],
  ['empty-answer', { promptTokens: 900, completionTokens: 50 }, 950],
] as const)('a call that ended as %s with the usage %j has cost %i tokens', (kind, usage, cost) => {
  expect(spent(kind, usage)).toBe(cost);
});
