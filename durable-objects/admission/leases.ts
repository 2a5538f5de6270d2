type Lease = { expiresMs: number; permit: boolean; callSinceMs: number };

/**
 * Who is admitted, which of them holds a permit to call the model, and who waits for one. Leases
 * are kept in memory alone: a lease tells of work in this process, so it means nothing once the
 * process has ended, and to store it would cost a wait for the disk. Time comes in as an argument.
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

  /** Moves the end of a lease, later or sooner. A user without a lease gets none. */
  renew(userId: string, expiresMs: number): void {
    const lease = this.#byUser.get(userId);
    if (lease !== undefined) lease.expiresMs = expiresMs;
  }

  /**
   * A call of the model has ended; the next one under this permit begins now. Answers when the
   * ended call began, in ms; 0 if unknown.
   */
  endCall(userId: string, nowMs: number): number {
    const lease = this.#byUser.get(userId);
    if (lease === undefined) return 0;
    const since = lease.callSinceMs;
    lease.callSinceMs = nowMs;
    return since;
  }

  /**
   * Gives a permit if one of `limit` is free and nobody waits; otherwise the user waits for
   * `passOn`.
   */
  askPermit(userId: string, limit: number, nowMs: number, expiresMs: number): 'granted' | 'waits' {
    // If the lease ended before its user asked, it begins again.
    if (!this.#byUser.has(userId))
      this.#byUser.set(userId, { expiresMs, permit: false, callSinceMs: nowMs });
    this.renew(userId, expiresMs);
    this.#waiting.add(userId);
    return this.passOn(limit, nowMs, expiresMs).includes(userId) ? 'granted' : 'waits';
  }

  /** Gives free permits to those who have waited longest, and answers who got one. */
  passOn(limit: number, nowMs: number, expiresMs: number): string[] {
    const granted = [...this.#waiting].slice(0, Math.max(0, limit - this.permitsHeld()));
    for (const userId of granted) {
      this.#waiting.delete(userId);
      this.#byUser.set(userId, { expiresMs, permit: true, callSinceMs: nowMs });
    }
    return granted;
  }

  /** Ends every wait for a permit. The leases stay until their turns are reported as over. */
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
   * Ends the leases whose time is over, except of users who wait for a permit: that wait may last
   * longer than any call.
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
