import type { IterationView, PlanStepView } from '../missions/iteration.ts';
import { canonicalJson } from '../values/canonical-json.ts';
import { isRecord } from '../values/fields.ts';

/**
 * Equal for proposals that a person would call the same: the tool and its params, whatever their order, case, punctuation and white
 * space, and whether what may be left out is left out or empty.
 */
export function stepKey(toolName: string, params: Record<string, unknown>): string {
  return `${toolName} ${canonicalJson(plain(params) ?? {})}`;
}

const PUNCTUATION = /[.,;:!?'"“”„‚‘’`´()[\]{}…–—_-]+/gu;

/** undefined for what says nothing. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') {
    const words = value
      .normalize('NFKC')
      .toLowerCase()
      .replace(PUNCTUATION, ' ')
      .replace(/\s+/gu, ' ')
      .trim();
    return words === '' ? (value.trim() === '' ? undefined : value) : words;
  }
  if (Array.isArray(value))
    return value.length === 0 ? undefined : value.map((item) => plain(item) ?? null);
  if (!isRecord(value)) return value ?? undefined;
  const entries = Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
    const kept = plain(inner);
    return kept === undefined ? [] : [[name, kept]];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/**
 * The keys of proposals that the person rejected, one by one or with their whole iteration, and has not approved since.
 * `iterations`: oldest first, opened where they were encrypted.
 */
export function rejectedSteps(iterations: readonly IterationView[]): ReadonlySet<string> {
  const rejected = new Set<string>();
  for (const { overallStatus, plan } of iterations) {
    for (const { status, intent } of plan) {
      if (intent?.kind !== 'toolCall') continue;
      const key = stepKey(intent.toolName, intent.params);
      if (status === 'approved') rejected.delete(key);
      else if (status === 'rejected' || overallStatus === 'rejected') rejected.add(key);
    }
  }
  return rejected;
}

/** What is done is proposed again after this long; a mission may want the same thing every week. */
const RECENT_MS = 24 * 3_600_000;

/**
 * Proposals that need not be made again: those that wait for a decision, and those that were done a short while ago or name a day that
 * is still to come. `today`: YYYY-MM-DD in the zone of the mission.
 */
export function standingSteps(
  iterations: readonly IterationView[],
  { nowMs, today }: { nowMs: number; today: string },
): ReadonlyMap<string, 'open' | 'done'> {
  const standing = new Map<string, 'open' | 'done'>();
  for (const iteration of iterations) {
    for (const step of iteration.plan) {
      if (step.intent?.kind !== 'toolCall') continue;
      const key = stepKey(step.intent.toolName, step.intent.params);
      if (isOpen(iteration, step)) standing.set(key, 'open');
      else if (isDone(step, iteration, { nowMs, today })) standing.set(key, 'done');
      else standing.delete(key);
    }
  }
  return standing;
}

/** Whether a step still waits: for a decision, or for a device that carries it out. */
export function isOpen({ overallStatus }: IterationView, { status }: PlanStepView): boolean {
  const isWaiting = status === 'planned' || status === 'staged' || status === null;
  return isWaiting && overallStatus === 'awaiting-review';
}

function isDone(
  { status, intent }: PlanStepView,
  { finishedAtMs, startedAtMs }: IterationView,
  { nowMs, today }: { nowMs: number; today: string },
): boolean {
  if (status !== 'approved' || intent?.kind !== 'toolCall') return false;
  if (nowMs - (finishedAtMs ?? startedAtMs ?? 0) < RECENT_MS) return true;
  return Object.values(intent.params).some(
    (value) =>
      typeof value === 'string' && /^\d{4}-\d{2}-\d{2}/.test(value) && value.slice(0, 10) >= today,
  );
}
