import { isRecord } from '../values/fields.ts';

/** A plan that waits for its person. */
export type WaitingPlan = { missionId: string; title: string; iteration: unknown };

/** Statuses of a step that nobody has decided. */
const OPEN = new Set<unknown>(['planned', 'staged', undefined]);

/** The plans of missions that still have a step to decide, the newest first. */
export function waitingPlans(
  missions: readonly { id: string; title: string; iterations: readonly unknown[] }[],
): WaitingPlan[] {
  const plans = missions.flatMap(({ id, title, iterations }) =>
    iterations.filter(isWaiting).map((iteration) => ({ missionId: id, title, iteration })),
  );
  return plans.toSorted((a, b) => (endOf(a.iteration) < endOf(b.iteration) ? 1 : -1));
}

function isWaiting(iteration: unknown): boolean {
  if (!isRecord(iteration) || iteration['overallStatus'] !== 'awaiting-review') return false;
  const { plan } = iteration;
  return Array.isArray(plan) && plan.some((step) => isRecord(step) && OPEN.has(step['status']));
}

/** ISO instants of one form compare as texts do. */
function endOf(iteration: unknown): string {
  const times = isRecord(iteration) ? [iteration['finishedAt'], iteration['startedAt']] : [];
  return times.find((time) => typeof time === 'string') ?? '';
}
