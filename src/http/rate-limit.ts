/**
 * Far more callers than call at once. When one more comes, the oldest is dropped, so that no flood
 * of callers fills the memory.
 */
const MOST_CALLERS = 10_000;
const MINUTE_MS = 60_000;

type Bucket = { left: number; atMs: number };

/**
 * A token bucket per caller, in memory: so many calls at once, and as many again over each minute.
 * On Cloudflare each isolate counts for itself, which bounds the cost of a flood and is no exact
 * quota.
 */
export class RateLimit {
  readonly #perMinute: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /**
   * Counts a call.
   * @returns 0 if the call is allowed, else the seconds until the next one is; a call that is not
   * allowed uses up nothing
   */
  take(caller: string, nowMs: number): number {
    const known = this.#buckets.get(caller) ?? { left: this.#perMinute, atMs: nowMs };
    const earned = (Math.max(0, nowMs - known.atMs) / MINUTE_MS) * this.#perMinute;
    const left = Math.min(this.#perMinute, known.left + earned);
    this.#buckets.delete(caller);
    this.#buckets.set(caller, { left: left < 1 ? left : left - 1, atMs: nowMs });
    if (this.#buckets.size > MOST_CALLERS) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return left < 1 ? Math.ceil(((1 - left) / this.#perMinute) * (MINUTE_MS / 1_000)) : 0;
  }
}

/**
 * The address of the caller as Cloudflare or the nearest proxy gives it. Without either, all
 * callers count as one.
 */
export function callerOf(headers: Headers): string {
  const forwarded = headers.get('x-forwarded-for')?.split(',').at(-1)?.trim();
  return headers.get('cf-connecting-ip') ?? (forwarded ? forwarded : 'unknown');
}
