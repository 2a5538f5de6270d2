import { isCiphertext } from '../../src/grants/index.ts';
import type { OpenedInput } from '../../src/inputs/index.ts';
import type { Agent } from '../../src/missions/agent.ts';
import { AGENTS_TABLE, AI_APP } from '../../src/values/tables.ts';
import type { FoundRecord } from './records.ts';
import type { RunScope } from './scope.ts';

/**
 * The part of the run's agent that has to be opened. Persona and memory are the person's own words.
 * If the grant names the agent's record, they are opened and audited; if not, they stay ciphertext,
 * which no prompt shows.
 */
export function agentToOpen({ agent, grant }: RunScope): FoundRecord[] {
  if (agent === null || grant?.keys.has(`agents:${agent.id}`) !== true) return [];
  const { role, systemPrompt, memory } = agent;
  if (![role, systemPrompt, memory].some(isCiphertext)) return [];
  const source = { appId: AI_APP, tableName: AGENTS_TABLE, recordId: agent.id, needsGrant: true };
  return [{ source, record: { role, systemPrompt, memory } }];
}

/** The agent with its words as they were opened. `opening` undefined: there was nothing to open. */
export function agentWith(agent: Agent | null, opening: OpenedInput | undefined): Agent | null {
  if (agent === null || opening?.ok !== true) return agent;
  const { record } = opening;
  const text = (field: 'role' | 'systemPrompt' | 'memory'): string =>
    typeof record[field] === 'string' ? record[field] : agent[field];
  return {
    ...agent,
    role: text('role'),
    systemPrompt: text('systemPrompt'),
    memory: text('memory'),
  };
}
