import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAgent } from '../../../src/missions/agent.ts';
import { agentBusyUntilMs } from '../../../src/missions/agent-gate.ts';
import {
  BUDGET_WINDOW_MS,
  budgetFreesAtMs,
  mayCall,
  type Spending,
} from '../../../src/missions/budget.ts';
import { parseMission } from '../../../src/missions/mission.ts';
import { FOREGROUND_WINDOW_MS } from '../../../src/missions/status.ts';

const LIMIT = 10_000;
const NOW = Date.UTC(2027, 0, 4);

describe('mayCall', () => {
  it('lets a call through that fits, and one that does not where it is alone and something is left', () => {
    expect(mayCall({ limit: LIMIT, used: 7_000, open: 3_000, wanted: 3_000 })).toBe(true);
    expect(mayCall({ limit: LIMIT, used: 7_001, open: 3_000, wanted: 3_000 })).toBe(false);
    expect(mayCall({ limit: LIMIT, used: 9_999, open: 0, wanted: 3_000 })).toBe(true);
    expect(mayCall({ limit: LIMIT, used: 10_000, open: 0, wanted: 3_000 })).toBe(false);
    expect(mayCall({ limit: 0, used: 0, open: 0, wanted: 1 })).toBe(false);
  });
});

describe('budgetFreesAtMs', () => {
  it('is now where something is left, and never where the limit is nothing', () => {
    expect(budgetFreesAtMs([{ atMs: NOW - 1, tokens: 9_999 }], LIMIT, NOW)).toBe(NOW);
    expect(budgetFreesAtMs([], 0, NOW)).toBeNull();
  });

  it('is the first moment at which the window holds less than the limit', () => {
    const spending = fc.record({
      atMs: fc.integer({ min: NOW - BUDGET_WINDOW_MS + 1, max: NOW }),
      tokens: fc.nat(6_000),
    });
    fc.assert(
      fc.property(fc.array(spending, { maxLength: 30 }), (spendings) => {
        const freesAt = budgetFreesAtMs(spendings, LIMIT, NOW) ?? Number.NaN;
        expect(inWindow(spendings, freesAt)).toBeLessThan(LIMIT);
        if (freesAt > NOW) expect(inWindow(spendings, freesAt - 1)).toBeGreaterThanOrEqual(LIMIT);
      }),
    );
  });
});

function inWindow(spendings: readonly Spending[], nowMs: number): number {
  return spendings
    .filter(({ atMs }) => atMs > nowMs - BUDGET_WINDOW_MS)
    .reduce((sum, { tokens }) => sum + tokens, 0);
}

const running = (id: string, agentId: string, startedMs: number) =>
  parseMission({
    id,
    agentId,
    iterations: [
      {
        id: 'i',
        source: 'browser',
        overallStatus: 'running',
        startedAt: new Date(startedMs).toISOString(),
      },
    ],
  });

describe('agentBusyUntilMs', () => {
  const others = [
    running('a', 'x', NOW - 1_000),
    running('b', 'x', NOW - 3_000),
    running('c', 'y', NOW),
  ];

  it.each([
    [1, NOW - 1_000 + FOREGROUND_WINDOW_MS],
    [2, NOW - 3_000 + FOREGROUND_WINDOW_MS],
    [3, null],
  ])('with %i at once ends when enough tabs have ended', (maxConcurrentMissions, expected) => {
    expect(agentBusyUntilMs(parseAgent({ id: 'x', maxConcurrentMissions }), others, NOW)).toBe(
      expected,
    );
  });

  it('knows no tab that was closed long ago', () => {
    const old = running('a', 'x', NOW - FOREGROUND_WINDOW_MS - 1);
    expect(agentBusyUntilMs(parseAgent({ id: 'x' }), [old], NOW)).toBeNull();
  });
});
