/** Waits until something holds; a run that takes ten minutes without it has failed. */
export async function untilTrue(
  ask: () => Promise<boolean> | boolean,
  what: string,
  everyMs: number,
): Promise<void> {
  const deadlineMs = Date.now() + 30 * 60_000;
  while (!(await ask())) {
    if (Date.now() > deadlineMs) throw new Error(`waited half an hour for ${what}`);
    await new Promise((done) => setTimeout(done, everyMs));
  }
}

/** The value that `percent` of the values do not exceed (nearest rank); NaN of none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

/** The minimal standard generator, in [0, 1): the same seed gives the same run. */
export function seeded(seed: number): () => number {
  let state = Math.max(1, Math.abs(Math.trunc(seed)) % 2_147_483_647);
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}
