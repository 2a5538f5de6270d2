import type { Agent } from '../src/missions/agent.ts';
import type { Iteration } from '../src/missions/iteration.ts';
import { planSteps, planSummary } from '../src/planner/loop.ts';
import { PROMPT_VERSION } from '../src/planner/prompt.ts';
import type { Checkpoint } from './run-checkpoint.ts';

/** Stands for the agent of missions that name none (facts: records). */
export const DEFAULT_AGENT_ID = 'legacy:ai-default';

/** The iteration of a run that ended, in plain text. */
export function iterationOf(checkpoint: Checkpoint): Iteration & { promptVersion: string } {
  const { identity, plan, failure, startedMs, finishedMs } = checkpoint;
  const steps = plan === null ? [] : planSteps(plan, identity.iterationId);
  return {
    id: identity.iterationId,
    startedAt: new Date(startedMs).toISOString(),
    finishedAt: new Date(finishedMs ?? startedMs).toISOString(),
    plan: steps,
    ...(plan === null ? {} : { summary: planSummary(plan) }),
    source: 'server',
    overallStatus: failure !== null ? 'failed' : steps.length > 0 ? 'awaiting-review' : 'approved',
    ...(failure === null ? {} : { errorDetails: failure }),
    promptVersion: String(PROMPT_VERSION),
  };
}

/** Who wrote the row (facts: records). The rationale is a fixed sentence: it stays readable where the plan is not. */
export function actorOf(missionId: string, iterationId: string, agent: Agent | null): Record<string, unknown> {
  return {
    kind: 'ai',
    principalId: agent?.id ?? DEFAULT_AGENT_ID,
    displayName: agent?.name || 'Mana',
    missionId,
    iterationId,
    rationale: 'Planned by the mission runner while no device was open.',
  };
}
