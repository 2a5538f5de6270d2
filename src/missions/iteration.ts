import { isOneOf, isRecord } from '../values/fields.ts';
import { parseInstantMs } from '../values/instant.ts';

const sources = ['browser', 'server'] as const;
const overallStatuses = ['running', 'awaiting-review', 'approved', 'rejected', 'failed'] as const;
const stepStatuses = ['planned', 'staged', 'approved', 'rejected', 'skipped', 'failed'] as const;

export type IterationSource = (typeof sources)[number];
export type OverallStatus = (typeof overallStatuses)[number];
export type PlanStepStatus = (typeof stepStatuses)[number];

export type StepIntent =
  | { kind: 'toolCall'; toolName: string; params: Record<string, unknown> }
  | { kind: 'note'; body: string };

/**
 * A step as the runner writes it: 'planned' ones the existing app carries out by itself, 'staged'
 * ones wait for a decision. `id` is `<iterationId>-<n>`.
 */
export type PlanStep = {
  id: string;
  summary: string;
  rationale?: string;
  status: 'planned' | 'staged';
  intent: StepIntent;
  /** the step that this one proposes once more (planner/vault-failures.ts) */
  repeats?: string;
};

/**
 * An iteration as the runner writes it. Times are ISO instants. Under a grant its texts and params
 * are encrypted before they are written.
 */
export type Iteration = {
  id: string;
  startedAt: string;
  finishedAt?: string;
  plan: PlanStep[];
  summary?: string;
  source: 'server';
  /** 'awaiting-review' with steps, 'approved' without any, 'failed' with errorDetails. */
  overallStatus: 'running' | 'awaiting-review' | 'approved' | 'failed';
  errorDetails?: { name: string; message: string; phase?: string };
  currentPhase?: string;
  phaseStartedAt?: string;
  phaseDetail?: string;
};

/** A step that a device or the runner wrote, as far as it could be read. */
export type PlanStepView = {
  id: string;
  summary: string | null;
  rationale: string | null;
  status: PlanStepStatus | null;
  intent: StepIntent | null;
};

/**
 * An iteration that a device or the runner wrote, as far as it could be read. A field is null if it
 * is missing or unusable. Texts may be ciphertext.
 */
export type IterationView = {
  id: string;
  startedAtMs: number | null;
  finishedAtMs: number | null;
  source: IterationSource | null;
  overallStatus: OverallStatus | null;
  cancelRequested: boolean;
  summary: string | null;
  userFeedback: string | null;
  plan: PlanStepView[];
};

/**
 * Reads one element of a mission's `iterations`; null if it is no object with an id. Never throws.
 */
export function readIteration(item: unknown): IterationView | null {
  if (!isRecord(item) || typeof item['id'] !== 'string' || item['id'] === '') return null;
  const { id, overallStatus, plan } = item;
  return {
    id,
    startedAtMs: parseInstantMs(item['startedAt']),
    finishedAtMs: parseInstantMs(item['finishedAt']),
    source: sourceOf(item),
    overallStatus: isOneOf(overallStatuses, overallStatus) ? overallStatus : null,
    cancelRequested: item['cancelRequested'] === true,
    summary: textOrNull(item['summary']),
    userFeedback: textOrNull(item['userFeedback']),
    plan: Array.isArray(plan) ? plan.map(readPlanStep).filter((step) => step !== null) : [],
  };
}

/** Where an iteration was made; the app's own tabs name no source. null for one that we do not know. */
export function sourceOf(item: Readonly<Record<string, unknown>>): IterationSource | null {
  const source = Object.hasOwn(item, 'source') ? (item['source'] ?? null) : null;
  if (source === null) return 'browser';
  return isOneOf(sources, source) ? source : null;
}

/**
 * Reads a mission's `iterations` in their order. Elements that cannot be read are left out, and so
 * is a value that is no list. Never throws.
 */
export function readIterations(value: unknown): IterationView[] {
  return Array.isArray(value) ? value.map(readIteration).filter((view) => view !== null) : [];
}

/** Reads one step of a plan; null if it is no object with an id. Never throws. */
export function readPlanStep(item: unknown): PlanStepView | null {
  if (!isRecord(item) || typeof item['id'] !== 'string' || item['id'] === '') return null;
  return {
    id: item['id'],
    summary: textOrNull(item['summary']),
    rationale: textOrNull(item['rationale']),
    // A step that only a locked vault kept from being done is proposed again, so it is open.
    status: item['vaultLocked'] === true ? 'planned' : statusOf(item['status']),
    intent: readIntent(item['intent']),
  };
}

function statusOf(status: unknown): PlanStepStatus | null {
  return isOneOf(stepStatuses, status) ? status : null;
}

function readIntent(value: unknown): StepIntent | null {
  if (!isRecord(value)) return null;
  const { kind, toolName, params, body } = value;
  if (kind === 'note' && typeof body === 'string') return { kind, body };
  if (kind !== 'toolCall' || typeof toolName !== 'string') return null;
  return { kind, toolName, params: isRecord(params) ? params : {} };
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
