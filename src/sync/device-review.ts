import type { Write } from '../carry-out/index.ts';
import { carriedRowId, toolFacts } from '../carry-out/index.ts';
import { isCiphertext } from '../grants/index.ts';
import { isRecord } from '../values/fields.ts';
import { stepDigest } from '../missions/step-digest.ts';
import {
  type CarriedStep,
  carriedRows,
  type CarryOutFacts,
  type CarryOutObjection,
  objectionTo,
} from './carried-rows.ts';
import type { DeviceChangeRow } from './change-row.ts';
import { iterationId } from './iterations.ts';
import { type RecordState, register } from './merge.ts';

/**
 * What a person changes of a step while approving it: plaintext, or `enc:2:` where the step is
 * encrypted.
 */
export type StepEdit = {
  params?: Record<string, unknown> | string | undefined;
  body?: string | undefined;
  summary?: string | undefined;
};

/**
 * One decision; `digest` names what the person saw (missions/step-digest.ts). `writes` carry the
 * step out; without them an approval says that it is done by hand, or, of a tool that only the app
 * can use, hands it over to the app.
 */
export type StepDecision = {
  stepId: string;
  digest: string;
  decision: 'approve' | 'reject' | 'reopen';
  edit?: StepEdit | undefined;
  writes?: readonly Write[] | undefined;
};

/**
 * What a person says of one iteration: decisions about steps, each step at most once, and words for
 * the next plan.
 */
export type ReviewCommand = {
  kind: 'review';
  iterationId: string;
  decisions: readonly StepDecision[];
  feedback?: string | undefined;
};

/**
 * How a step was decided, in the step. `by-hand`: nobody carries it out for them. `handed-over`:
 * the app will.
 */
export type StepMark = {
  by: 'person';
  at: string;
  carriedOut?: 'records' | 'by-hand' | 'handed-over';
};

/**
 * STEP_CHANGED: the step is not the one that was decided about. STEP_DECIDED: somebody decided
 * otherwise, or it was carried out.
 */
export type ReviewRefusal =
  | { code: 'ITERATION_NOT_FOUND' }
  | { code: 'STEP_NOT_FOUND' | 'STEP_CHANGED' | 'STEP_DECIDED'; stepId: string }
  | ({ stepId: string } & CarryOutObjection);

/** What a review rests on besides the mission. */
export type ReviewFacts = CarryOutFacts & {
  /** the state of a plain step that waits for a decision; encrypted ones are always 'staged' */
  openStatus: 'planned' | 'staged';
};

export type ReviewContext = {
  userId: string;
  missionId: string;
  nowMs: number;
  state: RecordState;
  facts: ReviewFacts;
};

type Reviewed =
  | { ok: true; data: { iterations: unknown[] }; rows: DeviceChangeRow[] }
  | { ok: false; refusal: ReviewRefusal };
type Item = Record<string, unknown>;

/** A decided step, and the rows that carry it out. */
type Decided = { ok: true; step: Item; rows: DeviceChangeRow[] } | Refused;
type Refused = { ok: false; refusal: ReviewRefusal };

const OPEN: readonly unknown[] = ['planned', 'staged', null];

/** Nothing is known of records: no step can be carried out by rows. */
export const NO_FACTS: ReviewFacts = {
  openStatus: 'planned',
  sealing: 'plain',
  records: new Map(),
  standing: new Set(),
  spaces: new Set(),
};

/**
 * The mission's iterations with the decisions in them, and the rows that carry out what was
 * approved. A step becomes 'approved', which in the log means done, or 'rejected', or open again;
 * the iteration follows once no step is open. All decisions hold or none does.
 */
export async function buildReview(
  context: ReviewContext,
  review: ReviewCommand,
): Promise<Reviewed> {
  const value = register(context.state, 'iterations')?.value;
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  const index = items.findIndex((item) => iterationId(item) === review.iterationId);
  const iteration = items[index];
  if (!isRecord(iteration)) return { ok: false, refusal: { code: 'ITERATION_NOT_FOUND' } };
  const steps: readonly unknown[] = Array.isArray(iteration['plan']) ? iteration['plan'] : [];
  const decided = new Map<unknown, Item>();
  const rows: DeviceChangeRow[] = [];
  for (const decision of review.decisions) {
    const step = steps.find(
      (candidate) => isRecord(candidate) && candidate['id'] === decision.stepId,
    );
    if (!isRecord(step)) return refused('STEP_NOT_FOUND', decision);
    const outcome = await decide({ ...context, iterationId: review.iterationId }, step, decision);
    if (!outcome.ok) return outcome;
    decided.set(step, outcome.step);
    rows.push(...outcome.rows);
  }
  const plan = steps.map((step) => decided.get(step) ?? step);
  return {
    ok: true,
    data: { iterations: items.with(index, reviewed(iteration, plan, review.feedback)) },
    rows,
  };
}

type StepContext = ReviewContext & { iterationId: string };

async function decide(context: StepContext, step: Item, decision: StepDecision): Promise<Decided> {
  const { facts, userId } = context;
  const { digest, stepId, writes = [], edit } = decision;
  // Written by an earlier try of this request, or by another device of the person that decided the
  // same.
  const stands = writes.length > 0 && facts.standing.has(carriedRowId(userId, stepId, 0));
  const isSeen = (await stepDigest(step)) === digest;
  if (!isSeen && !(stands && step['editedFrom'] === digest))
    return refused('STEP_CHANGED', decision);
  if (decision.decision !== 'approve' && (decision.writes !== undefined || edit !== undefined))
    return badRequest(decision, 'only an approval has writes or an edit.');
  switch (decision.decision) {
    case 'reject':
      return reject(context, step, decision);
    case 'reopen':
      return reopen(context, step, decision);
    case 'approve':
      return stands
        ? { ok: true, step: { ...step, status: 'approved' }, rows: [] }
        : approve(context, step, decision);
    default:
      return decision.decision satisfies never;
  }
}

function reject({ nowMs }: StepContext, step: Item, decision: StepDecision): Decided {
  if (step['status'] === 'rejected') return { ok: true, step, rows: [] };
  if (!isOpen(step)) return refused('STEP_DECIDED', decision);
  const rejected = { ...step, status: 'rejected', decision: mark(nowMs) };
  return { ok: true, step: rejected, rows: [] };
}

/** Takes back a rejection, and nothing else: what was carried out is done. */
function reopen({ facts }: StepContext, step: Item, decision: StepDecision): Decided {
  if (isOpen(step)) return { ok: true, step, rows: [] };
  if (step['status'] !== 'rejected') return refused('STEP_DECIDED', decision);
  const { decision: _taken, reopened, ...rest } = step;
  const times = typeof reopened === 'number' && Number.isSafeInteger(reopened) ? reopened : 0;
  const status = isSealed(step) ? 'staged' : facts.openStatus;
  return { ok: true, step: { ...rest, status, reopened: times + 1 }, rows: [] };
}

function approve(context: StepContext, step: Item, decision: StepDecision): Decided {
  const { nowMs } = context;
  const { writes, edit } = decision;
  const toolName = toolNameOf(step);
  if (isAlready(step, decision, toolName)) return { ok: true, step, rows: [] };
  if (!isOpen(step)) return refused('STEP_DECIDED', decision);
  const unfit = edit === undefined ? null : unfitEdit(step, edit);
  if (unfit !== null) return badRequest(decision, unfit);
  const edited = edit === undefined ? step : editedStep(step, edit, decision.digest);
  if (writes === undefined) {
    const isForApp = toolName !== null && toolFacts(toolName)?.appOnly === true;
    const status = isForApp ? 'planned' : 'approved';
    const how = isForApp ? 'handed-over' : 'by-hand';
    return { ok: true, step: { ...edited, status, decision: mark(nowMs, how) }, rows: [] };
  }
  if (toolName === null) return badRequest(decision, 'a note has nothing to carry out.');
  const carried = { ...carriedStep(context), stepId: decision.stepId, toolName };
  const objection = objectionTo(carried, writes, context.facts);
  if (objection !== null) return { ok: false, refusal: { ...objection, stepId: decision.stepId } };
  return {
    ok: true,
    step: { ...edited, status: 'approved', decision: mark(nowMs, 'records') },
    rows: carriedRows(carried, writes, context.facts),
  };
}

/**
 * The same decision was made here before. What the app carried out is not that: the person should
 * learn of it.
 */
function isAlready(step: Item, { writes }: StepDecision, toolName: string | null): boolean {
  const { decision } = step;
  if (!isRecord(decision) || writes !== undefined) return false;
  const isForApp = toolName !== null && toolFacts(toolName)?.appOnly === true;
  return isForApp ? decision['carriedOut'] === 'handed-over' : step['status'] === 'approved';
}

function carriedStep({ userId, missionId, iterationId: id, state, nowMs }: StepContext) {
  return { userId, missionId, iterationId: id, spaceId: state.spaceId, nowMs } satisfies Omit<
    CarriedStep,
    'stepId' | 'toolName'
  >;
}

/** What an edit gives must be of the step's kind, and encrypted where the step is. */
function unfitEdit(step: Item, { params, body, summary }: StepEdit): string | null {
  const intent = isRecord(step['intent']) ? step['intent'] : {};
  const isNote = intent['kind'] === 'note';
  if (isNote ? params !== undefined : body !== undefined)
    return isNote ? 'a note is edited by its body.' : 'a tool call is edited by its params.';
  const before = isNote ? intent['body'] : intent['params'];
  const after = isNote ? body : params;
  if (after !== undefined && isCiphertext(before) !== isCiphertext(after))
    return 'an edit is encrypted where the step is, and nowhere else.';
  if (summary !== undefined && isCiphertext(step['summary']) !== isCiphertext(summary))
    return 'the summary of an edit is encrypted where that of the step is, and nowhere else.';
  if (typeof params === 'string' && !isCiphertext(params)) return 'params wants to be an object.';
  return null;
}

function editedStep(step: Item, { params, body, summary }: StepEdit, editedFrom: string): Item {
  const intent = isRecord(step['intent']) ? step['intent'] : {};
  return {
    ...step,
    ...(summary === undefined ? {} : { summary }),
    intent: {
      ...intent,
      ...(params === undefined ? {} : { params }),
      ...(body === undefined ? {} : { body }),
    },
    editedFrom,
  };
}

function mark(nowMs: number, carriedOut?: StepMark['carriedOut']): StepMark {
  const made = { by: 'person', at: new Date(nowMs).toISOString() } as const;
  return carriedOut === undefined ? made : { ...made, carriedOut };
}

function isOpen({ status }: Item): boolean {
  return OPEN.includes(status ?? null);
}

function isSealed({ intent }: Item): boolean {
  return isRecord(intent) && (isCiphertext(intent['params']) || isCiphertext(intent['body']));
}

function toolNameOf({ intent }: Item): string | null {
  if (!isRecord(intent) || intent['kind'] !== 'toolCall') return null;
  return typeof intent['toolName'] === 'string' ? intent['toolName'] : '';
}

function refused(
  code: 'STEP_NOT_FOUND' | 'STEP_CHANGED' | 'STEP_DECIDED',
  { stepId }: StepDecision,
): Refused {
  return { ok: false, refusal: { code, stepId } };
}

function badRequest({ stepId }: StepDecision, problem: string): Refused {
  return { ok: false, refusal: { code: 'BAD_REQUEST', stepId, problem } };
}

function reviewed(iteration: Item, plan: readonly unknown[], feedback: string | undefined): Item {
  const hadPlan = Array.isArray(iteration['plan']);
  const follows =
    iteration['overallStatus'] === 'awaiting-review' ||
    (iteration['overallStatus'] !== 'running' &&
      plan.some((step) => isRecord(step) && isOpen(step)));
  return {
    ...iteration,
    ...(hadPlan ? { plan } : {}),
    ...(follows ? { overallStatus: overallStatus(plan) } : {}),
    ...(feedback === undefined
      ? {}
      : { userFeedback: withFeedback(iteration['userFeedback'], feedback) }),
  };
}

function overallStatus(plan: readonly unknown[]): 'awaiting-review' | 'approved' | 'rejected' {
  const statuses = plan.map((step) => (isRecord(step) ? (step['status'] ?? null) : 'skipped'));
  if (statuses.some((status) => OPEN.includes(status))) return 'awaiting-review';
  return statuses.length > 0 && statuses.every((status) => status === 'rejected')
    ? 'rejected'
    : 'approved';
}

/**
 * A second remark stands below the first. Ciphertext cannot be added to: the newer text replaces
 * it.
 */
function withFeedback(before: unknown, feedback: string): string {
  if (typeof before !== 'string' || before === '' || before === feedback) return feedback;
  const cannotJoin = [before, feedback].some(isCiphertext);
  return cannotJoin ? feedback : `${before}\n${feedback}`;
}
