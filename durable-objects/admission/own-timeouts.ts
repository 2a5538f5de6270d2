/** So many missions do not hang at once. Beyond that the oldest are forgotten first. */
const MOST_REMEMBERED = 1_000;

/**
 * Tells a mission that makes the model hang from a model that is away. A first timeout counts as
 * the model's fault. If the model answered others since then and the same mission times out again,
 * the fault is the mission's own.
 */
export class OwnTimeouts {
  readonly #timedOutMs = new Map<string, number>();
  #lastAnswerMs = 0;

  /** A call of a mission was answered. */
  answered(mission: string, nowMs: number): void {
    this.#lastAnswerMs = nowMs;
    this.#timedOutMs.delete(mission);
  }

  /** A call of a mission timed out; answers whether that is the mission's own failure. */
  isOwn(mission: string, nowMs: number): boolean {
    const earlierMs = this.#timedOutMs.get(mission);
    this.#timedOutMs.delete(mission);
    this.#timedOutMs.set(mission, nowMs);
    const [oldest] = this.#timedOutMs.keys();
    if (this.#timedOutMs.size > MOST_REMEMBERED && oldest !== undefined)
      this.#timedOutMs.delete(oldest);
    return earlierMs !== undefined && this.#lastAnswerMs > earlierMs;
  }
}
