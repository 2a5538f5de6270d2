import { type Agent, type PolicyDecision, resolvePolicy } from '../../src/missions/agent.ts';
import type { CompletionResult } from '../../src/model/llm-client.ts';
import { FIND_TOOLS } from '../../src/planner/find-tools.ts';
import type { CallOutcome } from '../../src/planner/plan.ts';
import { ALL_READS } from '../../src/planner/reads/index.ts';
import { CATALOG } from '../../src/planner/tools/index.ts';
import type { Tool } from '../../src/planner/tools/tool.ts';
import { metrics } from '../../src/telemetry/metrics.ts';

/** What the agent's policy says about a tool; without an agent it is the app's own default. */
export function decisionOf(agent: Agent | null, tool: Tool): PolicyDecision {
  if (agent !== null) return resolvePolicy(agent.policy, tool);
  return tool.kind === 'read' ? 'auto' : 'propose';
}

/** Counts what became of the calls of one round. */
export function countOutcomes(outcomes: readonly CallOutcome[], agent: Agent | null): void {
  for (const { toolName, outcome } of outcomes)
    metrics.toolCalls.inc({ ...toolLabels(toolName, agent), outcome });
}

/** Counts one exchange with the model, answered or not. */
export function countCall({ retried, textCalls, promptTokens }: CompletionResult): void {
  metrics.promptTokens.observe(promptTokens);
  if (retried !== null) metrics.llmRetries.inc({ reason: retried });
  if (textCalls > 0) metrics.textToolCalls.inc(textCalls);
}

/** A model also makes names up; those are counted without their name, which may be any text. */
function toolLabels(name: string, agent: Agent | null): { tool: string; policy: PolicyDecision } {
  const tool = [...CATALOG, ...ALL_READS].find((known) => known.name === name);
  if (tool !== undefined) return { tool: name, policy: decisionOf(agent, tool) };
  return name === FIND_TOOLS
    ? { tool: name, policy: 'auto' }
    : { tool: 'other', policy: 'propose' };
}
