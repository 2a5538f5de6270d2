import { isRecord } from '../values/fields.ts';
import { EARLIEST_US, parseStamp } from '../values/stamps.ts';

/** How many of our own iterations stay in a mission's array, beside all that await review. */
export const KEPT_ITERATIONS = 50;

/** The id of an array element; null for what is no object with an id. */
export function iterationId(item: unknown): string | null {
  return isRecord(item) && typeof item['id'] === 'string' && item['id'] !== '' ? item['id'] : null;
}

/** True for an iteration that the runner made. */
export function isRunnerIteration(item: unknown): item is Record<string, unknown> {
  return isRecord(item) && item['source'] === 'server';
}

/** True for an iteration that is still being planned. */
export function isRunning(item: unknown): boolean {
  return isRecord(item) && item['overallStatus'] === 'running';
}

/** True where the array holds an iteration with this id that is planned to its end. */
export function holdsFinished(items: readonly unknown[], id: string): boolean {
  return items.some((item) => iterationId(item) === id && !isRunning(item));
}

/** True for one that the person has not looked at yet: it is never dropped. */
export function awaitsReview(item: unknown): boolean {
  return isRecord(item) && item['overallStatus'] === 'awaiting-review';
}

/** When an iteration began, in microseconds; one without a date counts as the oldest. */
export function startedUs(item: unknown): number {
  return (isRecord(item) ? parseStamp(item['startedAt']) : null) ?? EARLIEST_US;
}

/**
 * Leaves out our own iterations beyond the newest KEPT_ITERATIONS that do not await review (equal start: the later in the array is
 * the newer). Everything else stays, in its order.
 */
export function dropOldRunnerIterations(items: readonly unknown[]): unknown[] {
  const ours = items
    .map((item, index) => ({ item, index }))
    .filter(({ item }) => isRunnerIteration(item));
  if (ours.length <= KEPT_ITERATIONS) return [...items];
  const newestFirst = ours.toSorted(
    (a, b) => startedUs(b.item) - startedUs(a.item) || b.index - a.index,
  );
  const dropped = new Set(newestFirst.slice(KEPT_ITERATIONS).map(({ index }) => index));
  return items.filter((item, index) => !dropped.has(index) || awaitsReview(item));
}
