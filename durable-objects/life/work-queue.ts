/**
 * Work of one object that must not interleave: each piece begins once the one before it has ended.
 */
export class WorkQueue {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Runs the work after everything that was queued before it. An error reaches its own caller only.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const earlier = this.#last;
    const mine = (async () => {
      await earlier;
      return work();
    })();
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}
