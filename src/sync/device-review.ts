import { isEncrypted } from '../missions/mission.ts';
import { stepDigest } from '../missions/step-digest.ts';
import { iterationId } from './iterations.ts';
import { isObject, type RecordState, register } from './merge.ts';

/** One decision; `digest` names what the person saw (missions/step-digest.ts). */
export type StepDecision = { stepId: string; digest: string; decision: 'approve' | 'reject' };

/** What a person says of one iteration: decisions about steps, each step at most once, and words for the next plan. */
export type ReviewCommand = {
  kind: 'review';
  iterationId: string;
  decisions: readonly StepDecision[];
  feedback?: string | undefined;
};

/** STEP_CHANGED: the step is not the one that was decided about. STEP_DECIDED: somebody decided otherwise, or it was carried out. */
export type ReviewRefusal =
  | { code: 'ITERATION_NOT_FOUND' }
  | { code: 'STEP_NOT_FOUND' | 'STEP_CHANGED' | 'STEP_DECIDED'; stepId: string };

type Reviewed =
  { ok: true; data: { iterations: unknown[] } } | { ok: false; refusal: ReviewRefusal };
type Item = Record<string, unknown>;

const STATUS_OF = { approve: 'approved', reject: 'rejected' } as const;
const OPEN: readonly unknown[] = ['planned', 'staged', null];

/**
 * The mission's iterations with the decisions in them: a step becomes 'approved' or 'rejected', the iteration too once no step is
 * open. All decisions hold or none does. Nothing is executed here: devices do that with approved steps.
 */
export async function buildReview(state: RecordState, review: ReviewCommand): Promise<Reviewed> {
  const value = register(state, 'iterations')?.value;
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  const index = items.findIndex((item) => iterationId(item) === review.iterationId);
  const iteration = items[index];
  if (!isObject(iteration)) return { ok: false, refusal: { code: 'ITERATION_NOT_FOUND' } };
  const steps: readonly unknown[] = Array.isArray(iteration['plan']) ? iteration['plan'] : [];
  const statuses = new Map<unknown, string>();
  for (const decision of review.decisions) {
    const step = steps.find(
      (candidate) => isObject(candidate) && candidate['id'] === decision.stepId,
    );
    const code = isObject(step) ? await obstacle(step, decision) : 'STEP_NOT_FOUND';
    if (code !== null) return { ok: false, refusal: { code, stepId: decision.stepId } };
    statuses.set(step, STATUS_OF[decision.decision]);
  }
  const plan = steps.map((step) =>
    statuses.has(step) ? { ...(step as Item), status: statuses.get(step) } : step,
  );
  return {
    ok: true,
    data: { iterations: items.with(index, reviewed(iteration, plan, review.feedback)) },
  };
}

async function obstacle(
  step: Item,
  { digest, decision }: StepDecision,
): Promise<'STEP_CHANGED' | 'STEP_DECIDED' | null> {
  if ((await stepDigest(step)) !== digest) return 'STEP_CHANGED';
  const status = step['status'] ?? null;
  return status === STATUS_OF[decision] || OPEN.includes(status) ? null : 'STEP_DECIDED';
}

function reviewed(iteration: Item, plan: readonly unknown[], feedback: string | undefined): Item {
  return {
    ...iteration,
    ...(Array.isArray(iteration['plan']) ? { plan } : {}),
    ...(iteration['overallStatus'] === 'awaiting-review'
      ? { overallStatus: overallStatus(plan) }
      : {}),
    ...(feedback === undefined
      ? {}
      : { userFeedback: withFeedback(iteration['userFeedback'], feedback) }),
  };
}

function overallStatus(plan: readonly unknown[]): 'awaiting-review' | 'approved' | 'rejected' {
  const statuses = plan.map((step) => (isObject(step) ? (step['status'] ?? null) : 'skipped'));
  if (statuses.some((status) => OPEN.includes(status))) return 'awaiting-review';
  return statuses.length > 0 && statuses.every((status) => status === 'rejected')
    ? 'rejected'
    : 'approved';
}

/** A second remark stands below the first. Ciphertext cannot be added to: the newer text replaces it. */
function withFeedback(before: unknown, feedback: string): string {
  const apart = typeof before !== 'string' || before === '' || before === feedback;
  return apart || isEncrypted(before) || isEncrypted(feedback)
    ? feedback
    : `${before}\n${feedback}`;
}
