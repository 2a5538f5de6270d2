type Lease = { expiresMs: number; permit: boolean; callSinceMs: number };

/**
 * Who is admitted, who of them holds a permit to call the model, and who waits for one. In memory alone: a lease says that
 * something is going on in this process, so it has nothing to say once the process has ended, and what is not stored costs no wait
 * for the disk. Time comes in as an argument.
 */
export class Leases {
  readonly #byUser = new Map<string, Lease>();
  /** in the order in which they asked */
  readonly #waiting = new Set<string>();
  #lastAdmissionMs: number | null = null;

  count(): number {
    return this.#byUser.size;
  }

  has(userId: string): boolean {
    return this.#byUser.has(userId);
  }

  permitsHeld(): number {
    return [...this.#byUser.values()].filter(({ permit }) => permit).length;
  }

  lastAdmissionMs(): number | null {
    return this.#lastAdmissionMs;
  }

  admit(userId: string, nowMs: number, expiresMs: number): void {
    this.#byUser.set(userId, { expiresMs, permit: false, callSinceMs: nowMs });
    this.#lastAdmissionMs = nowMs;
  }

  /** Moves the end of a lease, later or sooner; where there is none, none begins. */
  renew(userId: string, expiresMs: number): void {
    const lease = this.#byUser.get(userId);
    if (lease !== undefined) lease.expiresMs = expiresMs;
  }

  /** A call of the model has ended; one that follows under the same permit begins now. Answers when the ended one began, 0 if unknown. */
  endCall(userId: string, nowMs: number): number {
    const lease = this.#byUser.get(userId);
    if (lease === undefined) return 0;
    const since = lease.callSinceMs;
    lease.callSinceMs = nowMs;
    return since;
  }

  /** Gives a permit if one of `limit` is free and nobody asked before; else the user waits for `passOn`. */
  askPermit(userId: string, limit: number, nowMs: number, expiresMs: number): 'granted' | 'waits' {
    // A lease that ran out before its user asked is restored.
    if (!this.#byUser.has(userId))
      this.#byUser.set(userId, { expiresMs, permit: false, callSinceMs: nowMs });
    this.renew(userId, expiresMs);
    this.#waiting.add(userId);
    return this.passOn(limit, nowMs, expiresMs).includes(userId) ? 'granted' : 'waits';
  }

  /** Hands free permits to those who have waited longest, and answers who got one. */
  passOn(limit: number, nowMs: number, expiresMs: number): string[] {
    const granted = [...this.#waiting].slice(0, Math.max(0, limit - this.permitsHeld()));
    for (const userId of granted) {
      this.#waiting.delete(userId);
      this.#byUser.set(userId, { expiresMs, permit: true, callSinceMs: nowMs });
    }
    return granted;
  }

  /** Sends all who wait for a permit away; their leases stay until they say that their turns are over. */
  dismissWaiting(): string[] {
    const dismissed = [...this.#waiting];
    this.#waiting.clear();
    return dismissed;
  }

  returnPermit(userId: string): void {
    const lease = this.#byUser.get(userId);
    if (lease !== undefined) lease.permit = false;
  }

  end(userId: string): void {
    this.#byUser.delete(userId);
    this.#waiting.delete(userId);
  }

  /**
   * Ends the leases whose time has come, but of nobody who waits for a permit: that wait may be longer than any call.
   * @returns whose leases ended
   */
  dropExpired(nowMs: number): string[] {
    const expired = [...this.#byUser].flatMap(([userId, { expiresMs }]) =>
      expiresMs <= nowMs && !this.#waiting.has(userId) ? [userId] : [],
    );
    for (const userId of expired) this.#byUser.delete(userId);
    return expired;
  }

  earliestExpiryMs(): number | null {
    const moments = [...this.#byUser].flatMap(([userId, { expiresMs }]) =>
      this.#waiting.has(userId) ? [] : [expiresMs],
    );
    return moments.length === 0 ? null : Math.min(...moments);
  }
}
