/**
 * What became of the steps of a mission's plans. A step's fate only goes forward: it is open (planned, staged), then rejected, then carried
 * out (approved, failed, skipped). Devices write a mission's `iterations` as one array and send it with every change, so an older array
 * may arrive with a later stamp; the fates that were seen in any array outlive it.
 *
 * Only 'reopen' takes a rejection back. It raises the number `reopened` of the step, and of two fates that are not carried out the one
 * with the greater number counts.
 */
import { isRecord } from '../values/fields.ts';
import { isRunning, iterationId, startedUs } from './iterations.ts';

/** A fate other than open and never reopened. */
export type Fate = { status: string | null; reopened: number };

/** Fates by step id, for one iteration. `startedUs`: the latest start that was seen of it, in microseconds. */
type IterationFates = { startedUs: number; steps: Record<string, Fate> };

/** Fates by iteration id; plain JSON with own properties only. */
export type Outcomes = Record<string, IterationFates>;

/** The fates of so many iterations are kept, those that began last: more than any array of ours holds. */
export const KEPT_OUTCOMES = 200;

/** A later place goes further forward: what one device did is done, whatever another one failed at. */
const RANKS: Readonly<Record<string, number>> = { rejected: 1, skipped: 2, failed: 3, approved: 4 };
const CARRIED_OUT = 2;

const NEVER_DECIDED: Fate = { status: null, reopened: 0 };

/** Fates that were known, and those in an array of iterations, of whatever shape that is. Returns `known` itself where nothing is new. */
export function joinOutcomes(known: Outcomes, iterations: unknown): Outcomes {
  if (!Array.isArray(iterations)) return known;
  let joined = known;
  for (const item of iterations as readonly unknown[]) {
    const id = iterationId(item);
    if (id === null || !isRecord(item)) continue;
    const before = own(joined, id);
    const after = joinIteration(before, item);
    if (after !== undefined && after !== before) joined = { ...joined, ...entry(id, after) };
  }
  return joined === known ? known : newest(joined);
}

/**
 * The array with every step as far forward as its fate. Where that leaves no step of an iteration open, the iteration does not await
 * review any more. Returns the array itself where all steps are there already.
 */
export function withOutcomes(
  iterations: readonly unknown[],
  outcomes: Outcomes,
): readonly unknown[] {
  let isChanged = false;
  const moved = iterations.map((item) => {
    const after = iterationWithOutcomes(item, outcomes);
    isChanged ||= after !== item;
    return after;
  });
  return isChanged ? moved : iterations;
}

/** The state of an iteration whose steps have been decided about: it awaits review as long as one is open. */
export function overallStatusOf(
  plan: readonly unknown[],
): 'awaiting-review' | 'approved' | 'rejected' | 'failed' {
  const steps = plan.filter(isRecord);
  const all = (status: string): boolean =>
    steps.length > 0 && steps.every((step) => step['status'] === status);
  if (steps.some((step) => isOpen(fateOf(step)))) return 'awaiting-review';
  if (all('rejected')) return 'rejected';
  return all('failed') ? 'failed' : 'approved';
}

/** The fate that a step shows. */
export function fateOf(step: Readonly<Record<string, unknown>>): Fate {
  const { status, reopened } = step;
  return {
    status: typeof status === 'string' ? status : null,
    reopened: typeof reopened === 'number' && Number.isSafeInteger(reopened) ? reopened : 0,
  };
}

/** True while a step waits for a decision. */
export function isOpen(fate: Fate): boolean {
  return rankOf(fate) === 0;
}

function joinIteration(
  known: IterationFates | undefined,
  item: Record<string, unknown>,
): IterationFates | undefined {
  const plan: readonly unknown[] = Array.isArray(item['plan']) ? item['plan'] : [];
  const decided = plan.flatMap((step): [id: string, fate: Fate][] => {
    if (!isRecord(step) || typeof step['id'] !== 'string') return [];
    const fate = fateOf(step);
    return isFurther(fate, NEVER_DECIDED) ? [[step['id'], fate]] : [];
  });
  if (decided.length === 0) return known;
  let steps = known?.steps ?? {};
  for (const [id, fate] of decided) {
    const before = own(steps, id);
    if (before === undefined || compareFates(fate, before) > 0)
      steps = { ...steps, ...entry(id, fate) };
  }
  const began = startedUs(item);
  return steps === known?.steps && began <= known.startedUs
    ? known
    : { startedUs: Math.max(began, known?.startedUs ?? began), steps };
}

function iterationWithOutcomes(item: unknown, outcomes: Outcomes): unknown {
  const fates = own(outcomes, iterationId(item) ?? '')?.steps;
  if (fates === undefined || !isRecord(item) || !Array.isArray(item['plan'])) return item;
  const plan = (item['plan'] as readonly unknown[]).map((step) => stepWithFate(step, fates));
  if (plan.every((step, index) => step === (item['plan'] as unknown[])[index])) return item;
  const overallStatus = isRunning(item) ? item['overallStatus'] : overallStatusOf(plan);
  return { ...item, plan, overallStatus };
}

function stepWithFate(step: unknown, fates: Readonly<Record<string, Fate>>): unknown {
  if (!isRecord(step) || typeof step['id'] !== 'string') return step;
  const fate = own(fates, step['id']);
  if (fate === undefined || !isFurther(fate, fateOf(step))) return step;
  const { status, reopened } = fate;
  return { ...step, status, ...(reopened > 0 ? { reopened } : {}) };
}

function isFurther(a: Fate, b: Fate): boolean {
  return compareProgress(a, b) > 0;
}

/** A total order, so that it does not matter which fate is seen first: equal ones are the same. */
function compareFates(a: Fate, b: Fate): number {
  return compareProgress(a, b) || Number((a.status ?? '') > (b.status ?? ''));
}

/** What is carried out comes last; before that a step that was reopened more often, and of those the rejected one. */
function compareProgress(a: Fate, b: Fate): number {
  const [rankA, rankB] = [rankOf(a), rankOf(b)];
  return carriedOut(rankA) - carriedOut(rankB) || a.reopened - b.reopened || rankA - rankB;
}

function carriedOut(rank: number): number {
  return rank >= CARRIED_OUT ? rank : 0;
}

function rankOf({ status }: Fate): number {
  return (status === null ? undefined : own(RANKS, status)) ?? 0;
}

/** Which ones stay does not depend on the order in which they came: an iteration that fell out has enough newer ones before it for good. */
function newest(outcomes: Outcomes): Outcomes {
  const entries = Object.entries(outcomes);
  if (entries.length <= KEPT_OUTCOMES) return outcomes;
  entries.sort(([a, { startedUs: x }], [b, { startedUs: y }]) => y - x || (a < b ? -1 : 1));
  return Object.fromEntries(entries.slice(0, KEPT_OUTCOMES));
}

/** Ids come from outside: `constructor` must not find Object's, and `__proto__` is a name like any other. */
function own<T>(entries: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(entries, name) ? entries[name] : undefined;
}

/** An own property, whatever the name is. */
function entry<T>(name: string, value: T): Record<string, T> {
  return Object.fromEntries([[name, value]]);
}
