/** What an object needs of its state to end its own life in memory. */
export type Life = Pick<DurableObjectState, 'storage' | 'waitUntil' | 'abort'>;

/** Long enough for the answer of the last event to leave and for the next event to come. */
const LINGER_MS = 100;

/** If an alarm is due within this time, the object stays in memory for it. */
const ALARM_NEAR_MS = 2_000;

/**
 * Counts the open events (calls and alarms) of an object, and lets the object leave memory soon
 * after the last one. An object in memory costs 240 KB, and workerd would keep it for 10 s, which a
 * herd cannot afford.
 */
export class OpenEvents {
  #open = 0;

  /** Runs the work of one event. */
  async attend<T>(life: Life, work: () => Promise<T>): Promise<T> {
    this.#open += 1;
    try {
      return await work();
    } finally {
      this.#open -= 1;
      life.waitUntil(this.#letGo(life));
    }
  }

  /** An abort discards writes that are not on disk yet, so sync() comes first. */
  async #letGo(life: Life): Promise<void> {
    await life.storage.sync();
    await scheduler.wait(LINGER_MS);
    const alarmMs = await life.storage.getAlarm();
    const isAlarmNear = alarmMs !== null && alarmMs < Date.now() + ALARM_NEAR_MS;
    // An abort close to an alarm would race it.
    if (this.#open > 0 || isAlarmNear) return;
    life.abort('nothing is going on in this object');
  }
}
