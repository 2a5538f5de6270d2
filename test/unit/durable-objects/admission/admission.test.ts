import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { admitReady } from '../../../../durable-objects/admission/admission.ts';
import { AgendaStore } from '../../../../durable-objects/admission/agenda-store.ts';
import { Leases } from '../../../../durable-objects/admission/leases.ts';
import { memorySql } from '../sqlite.ts';

const T0 = 1_800_000_000_000;
const LEASE_MS = 60_000;

type State = { agenda: AgendaStore; leases: Leases };

function freshState(): State {
  return { agenda: new AgendaStore(memorySql()), leases: new Leases() };
}

function admit(state: State, limit: number, nowMs: number): string[] {
  return admitReady(state, limit, { nowMs, expiresMs: nowMs + LEASE_MS }).map(
    ({ userId }) => userId,
  );
}

/** What the end of a turn does. */
function release(
  { agenda, leases }: State,
  userId: string,
  nextDueMs: number | null,
  nowMs: number,
): void {
  leases.end(userId);
  agenda.serve(userId, nextDueMs, nowMs);
}

describe('admission', () => {
  it('takes those first who are due first, and nobody before the time', () => {
    const state = freshState();
    state.agenda.setDue({ userId: 'late', dueMs: T0 - 1 });
    state.agenda.setDue({ userId: 'early', dueMs: T0 - 2 });
    state.agenda.setDue({ userId: 'future', dueMs: T0 + 1 });
    expect(admit(state, 10, T0)).toEqual(['early', 'late']);
  });

  it('admits nobody twice at once', () => {
    const state = freshState();
    state.agenda.setDue({ userId: 'a', dueMs: T0 });
    expect(admit(state, 5, T0)).toEqual(['a']);
    state.agenda.setDue({ userId: 'a', dueMs: T0 - 5 });
    expect(admit(state, 5, T0)).toEqual([]);
  });

  it('puts a user with 500 due missions behind those who were due before the user was served', () => {
    const state = freshState();
    state.agenda.setDue({ userId: 'greedy', dueMs: T0 - 1_000 });
    for (let n = 0; n < 20; n += 1) state.agenda.setDue({ userId: `modest-${n}`, dueMs: T0 - 1 });
    const order: string[] = [];
    for (let turn = 0; turn < 30; turn += 1) {
      for (const userId of admit(state, 1, T0 + turn)) {
        order.push(userId);
        release(state, userId, userId === 'greedy' ? T0 - 1_000 : null, T0 + turn);
      }
    }
    // One turn first, as the one who was due first; then everybody else; what is left is the greedy user's alone.
    expect(order.slice(0, 21).filter((userId) => userId === 'greedy')).toHaveLength(1);
    expect(new Set(order.slice(0, 21)).size).toBe(21);
    expect(order).toHaveLength(30);
  });

  it('remembers the turn of a user who writes one overdue mission after the other', () => {
    const state = freshState();
    state.agenda.setDue({ userId: 'pusher', dueMs: T0 - 1_000 });
    expect(admit(state, 1, T0)).toEqual(['pusher']);
    release(state, 'pusher', null, T0);
    state.agenda.setDue({ userId: 'pusher', dueMs: null });
    state.agenda.setDue({ userId: 'pusher', dueMs: T0 - 1_000 });
    state.agenda.setDue({ userId: 'modest', dueMs: T0 - 1 });
    expect(admit(state, 1, T0 + 1)).toEqual(['modest']);
  });

  it('forgets a user who waits for nothing a day after the last turn, and nobody who waits', () => {
    const { agenda } = freshState();
    agenda.serve('gone', null, T0);
    agenda.serve('waiting', T0 + 5, T0);
    agenda.forgetServed(T0 + 24 * 60 * 60_000 + 1);
    expect(agenda.readyUsers(Number.MAX_SAFE_INTEGER)).toEqual(['waiting']);
  });

  it('wakes for the first user who holds no lease, and for nobody where all wait for nothing', () => {
    const { agenda, leases } = freshState();
    agenda.serve('idle', null, T0);
    expect(agenda.earliestReadyMs(leases)).toBeNull();
    agenda.setDue({ userId: 'a', dueMs: T0 });
    agenda.setDue({ userId: 'b', dueMs: T0 + 7 });
    leases.admit('a', T0, T0 + 1);
    expect(agenda.earliestReadyMs(leases)).toBe(T0 + 7);
  });

  type Event = {
    kind: 'register' | 'release' | 'admit' | 'permit' | 'return' | 'wait';
    user: number;
    dueMs: number;
  };
  const events: fc.Arbitrary<Event[]> = fc.array(
    fc.record({
      kind: fc.constantFrom('register', 'release', 'admit', 'permit', 'return', 'wait'),
      user: fc.nat(7),
      dueMs: fc.integer({ min: T0 - 50, max: T0 + 50 }),
    }),
    { maxLength: 80 },
  );

  it('never holds more leases or permits than the limits, in any order of events', () => {
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 3 }), (history, limit) => {
        const state = freshState();
        let nowMs = T0;
        for (const { kind, user, dueMs } of history) {
          const userId = `user-${user}`;
          nowMs += 1;
          step(state, kind, { userId, dueMs, nowMs, limit });
          expect(state.leases.count()).toBeLessThanOrEqual(limit + 2);
          expect(state.leases.permitsHeld()).toBeLessThanOrEqual(limit);
        }
      }),
      { numRuns: 300 },
    );
  });

  function step(
    state: State,
    kind: Event['kind'],
    {
      userId,
      dueMs,
      nowMs,
      limit,
    }: { userId: string; dueMs: number; nowMs: number; limit: number },
  ): void {
    const { agenda, leases } = state;
    if (kind === 'register') agenda.setDue({ userId, dueMs });
    else if (kind === 'admit') admit(state, limit + 2, nowMs);
    else if (kind === 'wait') leases.dropExpired(nowMs);
    else if (!leases.has(userId)) return;
    else if (kind === 'permit') leases.askPermit(userId, limit, nowMs, nowMs + LEASE_MS);
    else if (kind === 'return') leases.returnPermit(userId);
    else release(state, userId, dueMs, nowMs);
    leases.passOn(limit, nowMs, nowMs + LEASE_MS);
  }

  it('starves nobody: whoever is ready has a turn within as many as there are users, whatever came before', () => {
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 3 }), (history, limit) => {
        const state = freshState();
        let nowMs = T0;
        for (const { kind, user, dueMs } of history) {
          nowMs += 1;
          step(state, kind, { userId: `user-${user}`, dueMs, nowMs, limit });
        }
        // From here on turns end only by the end of their leases, as if all who hold one were lost; and each is due again at once.
        nowMs += 100;
        const waiting = new Set(state.agenda.readyUsers(nowMs));
        for (let round = 0; round < 8; round += 1) {
          for (const userId of state.leases.dismissWaiting()) release(state, userId, T0, nowMs);
          nowMs += LEASE_MS + 1;
          state.leases.dropExpired(nowMs);
          for (const userId of admit(state, limit, nowMs)) {
            waiting.delete(userId);
            release(state, userId, T0, nowMs);
          }
        }
        expect([...waiting]).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('leases', () => {
  it('end at the instant they run out and not before', () => {
    const leases = new Leases();
    leases.admit('a', T0, T0 + LEASE_MS);
    leases.dropExpired(T0 + LEASE_MS - 1);
    expect(leases.has('a')).toBe(true);
    leases.dropExpired(T0 + LEASE_MS);
    expect(leases.has('a')).toBe(false);
  });

  it('do not end while their user waits for a permit, and last again from the grant on', () => {
    const leases = new Leases();
    leases.admit('a', T0, T0 + 10);
    leases.askPermit('a', 1, T0, T0 + 10);
    leases.admit('b', T0, T0 + 10);
    expect(leases.askPermit('b', 1, T0, T0 + 10)).toBe('waits');
    leases.dropExpired(T0 + 20);
    expect([leases.has('a'), leases.has('b')]).toEqual([false, true]);
    expect(leases.passOn(1, T0 + 20, T0 + 30)).toEqual(['b']);
    expect(leases.earliestExpiryMs()).toBe(T0 + 30);
  });

  it('give permits in the order in which users asked, and one who comes later passes nobody', () => {
    const leases = new Leases();
    for (const userId of ['a', 'b', 'c']) leases.askPermit(userId, 1, T0, T0 + 10);
    leases.end('a');
    expect(leases.askPermit('d', 1, T0, T0 + 10)).toBe('waits');
    expect([leases.permitsHeld(), leases.passOn(2, T0, T0 + 10)]).toEqual([1, ['c']]);
  });

  it('know when the call that ended began', () => {
    const leases = new Leases();
    leases.askPermit('a', 1, T0, T0 + 10);
    expect([
      leases.endCall('a', T0 + 5),
      leases.endCall('a', T0 + 9),
      leases.endCall('nobody', T0),
    ]).toEqual([T0, T0 + 5, 0]);
  });
});

describe('users whose turns never report', () => {
  it('take no more than a turn each time that all others had theirs, and less each time', () => {
    const state = freshState();
    const silent = ['s1', 's2', 's3', 's4', 's5'];
    for (const userId of silent) state.agenda.setDue({ userId, dueMs: T0 - 1_000 });
    const others = Array.from({ length: 40 }, (_, n) => `other-${n}`);
    for (const userId of others) state.agenda.setDue({ userId, dueMs: T0 - 1 });
    const served: string[] = [];
    let nowMs = T0;
    let silentTurns = 0;
    for (; served.length < others.length && nowMs < T0 + 3_600_000; nowMs += LEASE_MS) {
      for (const userId of state.leases.dropExpired(nowMs)) {
        silentTurns += 1;
        state.agenda.serveUnreported(userId, nowMs, (count) => nowMs + 60_000 * 2 ** count);
      }
      for (const userId of admit(state, 5, nowMs)) {
        if (silent.includes(userId)) continue;
        served.push(userId);
        release(state, userId, null, nowMs);
      }
    }
    expect(new Set(served)).toEqual(new Set(others));
    expect(silentTurns).toBe(silent.length);
  });

  it('are counted until they report, and wait for their back-off even if a mission becomes due', () => {
    const { agenda } = freshState();
    agenda.setDue({ userId: 'a', dueMs: T0 });
    expect(agenda.serveUnreported('a', T0, () => T0 + 5_000)).toBe(1);
    expect(agenda.serveUnreported('a', T0 + 5_000, () => T0 + 20_000)).toBe(2);
    agenda.setDue({ userId: 'a', dueMs: T0 + 1 });
    expect(agenda.ready(T0 + 19_999, 1)).toEqual([]);
    expect(agenda.ready(T0 + 20_000, 1)).toHaveLength(1);
    expect(agenda.unreported()).toEqual({ users: 1, sinceMs: T0 + 5_000 });
    agenda.serve('a', T0 + 1, T0 + 20_000);
    expect(agenda.unreported()).toBeNull();
    expect(agenda.serveUnreported('a', T0 + 30_000, () => T0 + 40_000)).toBe(1);
  });

  it('are nobody on the agenda once they are forgotten', () => {
    const { agenda } = freshState();
    expect(agenda.serveUnreported('gone', T0, () => T0)).toBe(0);
    expect(agenda.has('gone')).toBe(false);
  });
});
