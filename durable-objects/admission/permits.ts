import { Leases } from './leases.ts';

export type PermitAnswer = 'granted' | 'llm-down' | 'draining';

/** How many permits there are now, and when a lease that is renewed now ends, in ms. */
export type PermitTerms = { limit: number; nowMs: number; leaseEndMs: number };

/**
 * The permits to call the model: the leases that hold them, and the calls that wait for one.
 * The owner of both, so that an answer and the state that it tells of cannot differ.
 */
export class Permits {
  readonly leases = new Leases();
  readonly #waiting = new Map<string, (answer: PermitAnswer) => void>();

  /** Answers once the user holds a permit, or once all who wait are dismissed. */
  async acquire(userId: string, terms: PermitTerms): Promise<PermitAnswer> {
    // If the user's last turn was cut off (its object was reset), it still holds a permit here.
    this.giveBack(userId, terms);
    const { limit, nowMs, leaseEndMs } = terms;
    if (this.leases.askPermit(userId, limit, nowMs, leaseEndMs) === 'granted') return 'granted';
    // The cut-off turn may also have left a call that waits; nobody reads its answer.
    this.#answer(userId, 'draining');
    return new Promise((answer) => this.#waiting.set(userId, answer));
  }

  /** The user's last call of this turn is over. */
  giveBack(userId: string, terms: PermitTerms): void {
    this.leases.returnPermit(userId);
    this.passOn(terms);
  }

  /** Gives free permits to those who have waited longest. */
  passOn({ limit, nowMs, leaseEndMs }: PermitTerms): void {
    for (const userId of this.leases.passOn(limit, nowMs, leaseEndMs))
      this.#answer(userId, 'granted');
  }

  /** The user's turn is over, and with it the lease, the permit and the wait for one. */
  end(userId: string): void {
    this.leases.end(userId);
    this.#answer(userId, 'draining');
  }

  dismissWaiting(answer: 'llm-down' | 'draining'): void {
    for (const userId of this.leases.dismissWaiting()) this.#answer(userId, answer);
  }

  #answer(userId: string, answer: PermitAnswer): void {
    this.#waiting.get(userId)?.(answer);
    this.#waiting.delete(userId);
  }
}
