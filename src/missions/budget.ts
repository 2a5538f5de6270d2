/** A call's tokens count against the agent's limit for this long. */
export const BUDGET_WINDOW_MS = 24 * 60 * 60_000;

/** Tokens that one call used, or has reserved until it ends. `atMs` is when the call began. */
export type Spending = { atMs: number; tokens: number };

/**
 * Whether a call that needs at most `wanted` tokens may begin: if it fits under the limit, or if
 * anything is left and no other call is open. So only the last call can go over the limit, however
 * many begin at once. `used` counts the tokens of the window, open calls included; `open` those of
 * the calls that have not ended.
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
 * When the window first holds fewer tokens than the limit, if no call is added: ms since the epoch,
 * not before `nowMs`. null for a limit of 0, for which that never happens.
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
    // With this call the window is full, so another may begin once this one has left the window.
    if (newer >= limit) return Math.max(nowMs, atMs + BUDGET_WINDOW_MS);
  }
  return nowMs;
}
