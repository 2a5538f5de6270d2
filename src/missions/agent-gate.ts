import type { Agent } from './agent.ts';
import type { Mission } from './mission.ts';
import { foregroundEndMs } from './status.ts';

/**
 * Until when (ms) an agent is busy with as many other missions as it may have at once; null while
 * it is not busy. The runner plans one mission of a person at a time, so the other missions are
 * those that a browser tab is running.
 */
export function agentBusyUntilMs(
  agent: Agent,
  others: readonly Mission[],
  nowMs: number,
): number | null {
  const ends = others
    .filter(({ agentId }) => agentId === agent.id)
    .map(({ iterations }) => foregroundEndMs(iterations, nowMs))
    .filter((endMs) => endMs !== null)
    .toSorted((a, b) => a - b);
  // The agent has room again when so many of these have ended that one less than its maximum is
  // left.
  return ends[ends.length - agent.maxConcurrentMissions] ?? null;
}
