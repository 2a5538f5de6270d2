/** More missions than that do not hang at once; the longest remembered are forgotten first. */
const MOST_REMEMBERED = 1_000;

/**
 * Tells a mission that hangs by itself from a model that is away. A call that ran out of time is the model's, at first; where others were
 * answered since and the same mission runs out of time again, it is the mission's own.
 */
export class OwnTimeouts {
  readonly #timedOutMs = new Map<string, number>();
  #lastAnswerMs = 0;

  /** A call of a mission was answered. */
  answered(mission: string, nowMs: number): void {
    this.#lastAnswerMs = nowMs;
    this.#timedOutMs.delete(mission);
  }

  /** A call of a mission ran out of time; true where that is the mission's own failure. */
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
