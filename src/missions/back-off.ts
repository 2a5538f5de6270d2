const FIRST_MS = 5_000;
const LONGEST_MS = 60 * 60_000;

/**
 * How long to wait after the n-th failure in a row: 5 s, doubling, at most 60 min. A jitter takes
 * off up to a fifth, so that missions that failed together do not come back together.
 * @param failures 1 for the first failure
 * @param random a number in [0, 1)
 * @returns whole milliseconds
 */
export function backOffMs(failures: number, random: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
  return Math.round(ceiling * (1 - 0.2 * random));
}
