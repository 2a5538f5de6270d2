import type { Agent } from '../../src/missions/agent.ts';
import type { AgentChange, OwnerAgent } from '../../src/missions/views.ts';
import { buildAgentRow } from '../../src/sync/agent-rows.ts';
import type { Projection } from './projection.ts';

/** `rowId` is the uuid of the row that it writes: the same request repeated has the same one. */
export type AgentRequest = { agentId: string; rowId: string; change: AgentChange };

/** `agent` null: there is no such agent. `ok: false`: PostgreSQL took no row. */
export type AgentOutcome = { ok: true; agent: OwnerAgent | null } | { ok: false };

/**
 * Writes one change row of an agent, on top of the newest state of the log.
 * @throws PostgresError
 */
export async function changeAgentOf(
  { userId, projection }: { userId: string; projection: Projection },
  { agentId, rowId, change }: AgentRequest,
): Promise<Agent | null> {
  if (!(await projection.refreshPending())) projection.startEmpty();
  const state = projection.agentState(agentId);
  if (state === null) return null;
  const row = buildAgentRow({ userId, agentId, rowId, state, nowMs: Date.now() }, change);
  if (row !== null) await projection.append(row);
  // Whether its missions may run follows from their agent.
  for (const { mission } of projection.missions())
    if (mission.agentId === agentId) projection.updateDue(mission.id);
  return projection.agents().find(({ id }) => id === agentId) ?? null;
}
