import { env } from 'cloudflare:workers';
import { reset, runInDurableObject } from 'cloudflare:test';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { AgendaStore } from '../../durable-objects/agenda-store.ts';
import type { TurnReport } from '../../durable-objects/dispatcher.ts';
import type { RunnerEnv } from '../../durable-objects/settings.ts';

const bindings = env as unknown as RunnerEnv;

const T0 = 1_800_000_000_000;
const LEASE = { boot: 'this-boot', expiresMs: T0 + 600_000 };

afterEach(() => reset());

/** The store of a fresh object: its rules hold whatever the time is, since time is an argument. */
async function withAgenda<T>(work: (agenda: AgendaStore) => T | Promise<T>): Promise<T> {
  const stub = bindings.DISPATCHER.getByName(crypto.randomUUID());
  return runInDurableObject(stub, (_instance, state) => work(new AgendaStore(state.storage.sql)));
}

function report(userId: string, nextDueMs: number | null): TurnReport {
  return { userId, nextDueMs, turn: 'planned', plansProduced: 1, plansWrittenBack: 1, parseFailures: 0, error: null };
}

describe('the agenda', () => {
  it('admits those first who are due first, and nobody before the time', async () => {
    await withAgenda((agenda) => {
      agenda.setDue({ userId: 'late', dueMs: T0 - 1 });
      agenda.setDue({ userId: 'early', dueMs: T0 - 2 });
      agenda.setDue({ userId: 'future', dueMs: T0 + 1 });
      expect(agenda.takeReady(T0, 10, LEASE).map(({ userId }) => userId)).toEqual(['early', 'late']);
    });
  });

  it('puts a user with many due missions behind those who were due before the user was served', async () => {
    await withAgenda((agenda) => {
      agenda.setDue({ userId: 'greedy', dueMs: T0 - 1_000 });
      agenda.setDue({ userId: 'modest', dueMs: T0 - 1 });
      expect(agenda.takeReady(T0, 1, LEASE)[0]?.userId).toBe('greedy');
      agenda.release('greedy', T0 - 1_000, T0);
      expect(agenda.takeReady(T0, 1, LEASE)[0]?.userId).toBe('modest');
    });
  });

  it('gives the place of another boot back at once, and admits its user again', async () => {
    await withAgenda((agenda) => {
      agenda.setDue({ userId: 'a', dueMs: T0 });
      agenda.takeReady(T0, 1, { ...LEASE, boot: 'killed-boot' });
      agenda.dropLeasesOfOtherBoots('this-boot');
      expect(agenda.leaseCount()).toBe(0);
      expect(agenda.takeReady(T0, 1, LEASE)[0]?.userId).toBe('a');
    });
  });

  it('frees a lease at the instant it runs out and not before', async () => {
    await withAgenda((agenda) => {
      agenda.setDue({ userId: 'a', dueMs: T0 });
      agenda.takeReady(T0, 1, LEASE);
      agenda.dropExpiredLeases(LEASE.expiresMs - 1);
      expect(agenda.leaseCount()).toBe(1);
      agenda.dropExpiredLeases(LEASE.expiresMs);
      expect(agenda.leaseCount()).toBe(0);
    });
  });

  it('never holds more leases than the limit and starves nobody, in any order of events', async () => {
    type Event = { kind: 'register' | 'release' | 'admit'; user: number; dueMs: number };
    const event: fc.Arbitrary<Event> = fc.record({
      kind: fc.constantFrom('register', 'release', 'admit'),
      user: fc.nat(7),
      dueMs: fc.integer({ min: T0 - 50, max: T0 + 50 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), (events, limit) =>
        withAgenda((agenda) => {
          let nowMs = T0;
          const leased = new Set<string>();
          const admit = (): void => {
            const free = limit - agenda.leaseCount();
            if (free > 0) for (const { userId } of agenda.takeReady(nowMs, free, LEASE)) leased.add(userId);
            expect(agenda.leaseCount()).toBeLessThanOrEqual(limit);
            expect(agenda.leaseCount()).toBe(leased.size);
          };
          for (const { kind, user, dueMs } of events) {
            const userId = `user-${user}`;
            nowMs += 1;
            if (kind === 'register') agenda.setDue({ userId, dueMs });
            else if (kind === 'admit') admit();
            else if (leased.delete(userId)) agenda.release(userId, dueMs, nowMs);
          }
          // From here on every turn ends: whoever is due must get one within as many turns as there are users.
          nowMs += 100;
          for (const userId of leased) agenda.release(userId, null, nowMs);
          leased.clear();
          const waiting = new Set(agenda.dueUsers(nowMs));
          for (let turn = 0; turn < 8; turn += 1) {
            admit();
            for (const userId of leased) {
              waiting.delete(userId);
              agenda.release(userId, T0, nowMs);
            }
            leased.clear();
            nowMs += 1;
          }
          expect([...waiting]).toEqual([]);
        }),
      ),
      { numRuns: 60 },
    );
  });
});

describe('permits', () => {
  it('are held by no more users than the limit, and pass on when a turn ends', async () => {
    const dispatcher = bindings.DISPATCHER.getByName('dispatcher');
    expect(await dispatcher.acquirePermit('a')).toBe('granted');
    expect(await dispatcher.acquirePermit('b')).toBe('granted');
    let third = 'waiting';
    const acquired = dispatcher.acquirePermit('c').then((answer) => (third = answer));
    await dispatcher.queueState();
    expect(third).toBe('waiting');
    await dispatcher.release(report('a', null));
    expect(await acquired).toBe('granted');
  });

  it('are refused while the LLM is down, until one probe may test it', async () => {
    const dispatcher = bindings.DISPATCHER.getByName('dispatcher');
    await dispatcher.acquirePermit('a');
    await dispatcher.reportCall('a', { kind: 'outage', code: 'LLM_UNREACHABLE', message: 'away', retryAfterMs: null });
    expect(await dispatcher.acquirePermit('b')).toBe('llm-down');
    expect((await dispatcher.dependencies()).llm).toMatchObject({ ok: false, error: { code: 'LLM_UNREACHABLE' } });
    await dispatcher.reportCall('a', { kind: 'ok' });
    expect(await dispatcher.acquirePermit('b')).toBe('granted');
  });

  it('are not given while the process drains', async () => {
    const dispatcher = bindings.DISPATCHER.getByName('dispatcher');
    await dispatcher.drain();
    expect(await dispatcher.acquirePermit('a')).toBe('draining');
  });
});

describe('a pass on demand', () => {
  it('refuses a second one meanwhile and ends when nothing is due', async () => {
    const dispatcher = bindings.DISPATCHER.getByName('dispatcher');
    expect(await dispatcher.startPass('one')).toMatchObject({ state: 'done', open: 0 });
    expect(await dispatcher.startPass('two')).toEqual({ state: 'overlap' });
    await dispatcher.endPass('one');
    expect(await dispatcher.startPass('three')).toMatchObject({ state: 'done' });
  });
});
