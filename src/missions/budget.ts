/** An agent's tokens count for this long. */
export const BUDGET_WINDOW_MS = 24 * 60 * 60_000;

/** Tokens that one call used, or holds until it ends; `atMs`: when it began. */
export type Spending = { atMs: number; tokens: number };

/**
 * Whether a call may begin that needs at most `wanted` tokens. `used` are those of the window, open calls included; `open` those of
 * the calls that have not ended. It may where it fits, or where something is left and no other call is open: so the last call may
 * go over the limit, and it alone, however many begin at once.
 */
export function mayCall({
  limit,
  used,
  open,
  wanted,
}: Record<'limit' | 'used' | 'open' | 'wanted', number>): boolean {
  return used + wanted <= limit || (used < limit && open === 0);
}

/**
 * When the window first holds fewer tokens than the limit, if nothing is added: ms since the epoch, not before `nowMs`. null where
 * it never will, for a limit of 0.
 */
export function budgetFreesAtMs(
  spendings: readonly Spending[],
  limit: number,
  nowMs: number,
): number | null {
  if (limit <= 0) return null;
  let newer = 0;
  for (const { atMs, tokens } of spendings.toSorted((a, b) => b.atMs - a.atMs)) {
    newer += tokens;
    // With this one the window is full; it has to leave.
    if (newer >= limit) return Math.max(nowMs, atMs + BUDGET_WINDOW_MS);
  }
  return nowMs;
}
