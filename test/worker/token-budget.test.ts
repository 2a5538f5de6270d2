import { env } from 'cloudflare:workers';
import { reset, runInDurableObject } from 'cloudflare:test';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { WorkerEnv } from '../../src/mana-ai/index.ts';
import { type Reservation, TokenBudget } from '../../durable-objects/run/token-budget.ts';
import { BUDGET_WINDOW_MS } from '../../src/missions/budget.ts';

const bindings = env as unknown as WorkerEnv;
const LIMIT = 10_000;
const NOW = Date.UTC(2027, 0, 4);
const agentId = 'agent';

afterEach(() => reset());

async function withSql(name: string, work: (sql: SqlStorage) => void): Promise<void> {
  await runInDurableObject(bindings.USER_MISSIONS.getByName(name), (_instance, { storage }) =>
    work(storage.sql),
  );
}

function reserve(budget: TokenBudget, wanted: number, nowMs = NOW): Reservation {
  const verdict = budget.reserve({ agentId, limit: LIMIT, wanted, nowMs });
  if (!verdict.ok) throw new Error('the call was refused');
  return verdict.reservation;
}

describe('the ledger of tokens', () => {
  it('counts what was used, not what was reserved, and nothing of a call that cost nothing', async () => {
    await withSql('counts', (sql) => {
      const budget = new TokenBudget(sql);
      const call = reserve(budget, 3_000);
      expect(budget.used(agentId, NOW)).toBe(3_000);
      budget.settle(call, 1_200);
      budget.release(reserve(budget, 3_000));
      budget.note(agentId, 300, NOW);
      expect(budget.used(agentId, NOW)).toBe(1_500);
      expect(budget.used('another', NOW)).toBe(0);
    });
  });

  it('frees what is a day old, and says when', async () => {
    await withSql('frees', (sql) => {
      const budget = new TokenBudget(sql);
      budget.settle(reserve(budget, 100, NOW), 6_000);
      budget.settle(reserve(budget, 100, NOW + 1_000), 6_000);
      const refusedAt = { agentId, limit: LIMIT, wanted: 100, nowMs: NOW + 2_000 };
      expect(budget.reserve(refusedAt)).toEqual({ ok: false, untilMs: NOW + BUDGET_WINDOW_MS });
      expect(budget.reserve({ ...refusedAt, nowMs: NOW + BUDGET_WINDOW_MS })).toMatchObject({
        ok: true,
      });
      expect(budget.reserve({ ...refusedAt, limit: 0 })).toEqual({ ok: false, untilMs: null });
    });
  });

  it('keeps a call that a crash cut off at its full reservation', async () => {
    await withSql('crash', (sql) => {
      reserve(new TokenBudget(sql), 9_000);
      const next = new TokenBudget(sql);
      expect(next.used(agentId, NOW)).toBe(9_000);
      // Nobody waits for it any more, so it does not keep the next one from starting.
      expect(next.reserve({ agentId, limit: LIMIT, wanted: 3_000, nowMs: NOW })).toMatchObject({
        ok: true,
      });
    });
  });

  it('is overshot by one call in all, whatever begins at once, ends, crashes and passes', async () => {
    const action = fc.oneof(
      fc.record({
        kind: fc.constant('begin' as const),
        wanted: fc.integer({ min: 1, max: 6_000 }),
      }),
      fc.record({
        kind: fc.constant('end' as const),
        which: fc.nat(),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.record({
        kind: fc.constant('pass' as const),
        ms: fc.integer({ min: 0, max: BUDGET_WINDOW_MS / 2 }),
      }),
      fc.constant({ kind: 'crash' as const }),
    );
    await withSql('property', (sql) => {
      fc.assert(
        fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
          let budget = new TokenBudget(sql);
          sql.exec(`delete from spendings`);
          let nowMs = NOW;
          // What the provider really did: a call that was cut off may have cost all that it had asked for.
          const paid: { atMs: number; tokens: number }[] = [];
          let open: {
            reservation: Reservation;
            paid: { atMs: number; tokens: number };
            wanted: number;
          }[] = [];
          for (const step of actions) {
            if (step.kind === 'begin') {
              const verdict = budget.reserve({ agentId, limit: LIMIT, wanted: step.wanted, nowMs });
              if (!verdict.ok) continue;
              const bill = { atMs: nowMs, tokens: step.wanted };
              paid.push(bill);
              open.push({ reservation: verdict.reservation, paid: bill, wanted: step.wanted });
            } else if (step.kind === 'end') {
              const [call] = open.splice(open.length === 0 ? 0 : step.which % open.length, 1);
              if (call === undefined) continue;
              call.paid.tokens = Math.floor(call.wanted * step.share);
              budget.settle(call.reservation, call.paid.tokens);
            } else if (step.kind === 'pass') {
              nowMs += step.ms;
            } else {
              budget = new TokenBudget(sql);
              open = [];
            }
            const window = paid.filter(({ atMs }) => atMs > nowMs - BUDGET_WINDOW_MS);
            const total = window.reduce((sum, { tokens }) => sum + tokens, 0);
            expect(total - LIMIT).toBeLessThanOrEqual(
              Math.max(0, ...window.map(({ tokens }) => tokens)),
            );
            expect(budget.used(agentId, nowMs)).toBe(total);
          }
        }),
        { numRuns: 200 },
      );
    });
  });
});
