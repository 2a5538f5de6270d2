import { encryptIteration, isCiphertext } from '../../src/grants/index.ts';
import type { Agent } from '../../src/missions/agent.ts';
import type { Iteration, PlanStep } from '../../src/missions/iteration.ts';
import { planSteps, planSummary } from '../../src/planner/plan.ts';
import { PROMPT_VERSION } from '../../src/planner/prompt.ts';
import type { OpenGrant } from '../opening/grant-access.ts';
import type { Checkpoint } from './checkpoint.ts';
import { writingVersion } from './scope.ts';

/** The agent of missions that name none. */
export const DEFAULT_AGENT_ID = 'legacy:ai-default';

/**
 * The iteration of a run that ended, in plain text. `openStatus`: of the steps, which all wait for
 * a decision.
 */
export function iterationOf(
  checkpoint: Checkpoint,
  openStatus: PlanStep['status'],
): Iteration & { promptVersion: string } {
  const { identity, plan, failure, startedMs, finishedMs } = checkpoint;
  const steps = (plan === null ? [] : planSteps(plan, identity.iterationId)).map((step) => ({
    ...step,
    status: openStatus,
  }));
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

/**
 * The iteration as it is written under a grant: what the person's records led to is ciphertext. The
 * existing app would fail steps that it cannot read, so they wait for a decision whatever else is
 * configured.
 */
export async function sealedIterationOf(
  checkpoint: Checkpoint,
  grant: OpenGrant,
): Promise<{ id: string }> {
  const { id, ...rest } = iterationOf(checkpoint, 'staged');
  const sealed = await encryptIteration({
    keys: grant.missionKeys,
    version: writingVersion(grant),
    missionId: grant.claims.mission,
    iteration: { id, ...rest },
  });
  return { ...sealed, id };
}

/**
 * Who wrote the row. The rationale is a fixed sentence, because every server can read it even if
 * the plan is sealed.
 */
export function actorOf(
  missionId: string,
  iterationId: string,
  agent: Agent | null,
): Record<string, unknown> {
  return {
    kind: 'ai',
    principalId: agent?.id ?? DEFAULT_AGENT_ID,
    // Every server can read the row, so a name that the person encrypted does not stand in it.
    displayName:
      agent === null || agent.name === '' || isCiphertext(agent.name) ? 'Mana' : agent.name,
    missionId,
    iterationId,
    rationale: 'Planned by the mission runner while no device was open.',
  };
}
