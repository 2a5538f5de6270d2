import { api, ApiError } from './api.ts';

export type Agent = {
  id: string;
  name: string;
  state: string;
  maxTokensPerDay?: number | null;
  usedTokens24h?: number;
};

/** A mission's agent; null where there is none, or the server does not tell. */
export async function agentOf(id: string | null): Promise<Agent | null> {
  if (id === null) return null;
  try {
    const { agents } = await api<{ agents: Agent[] }>('/api/v1/me/agents');
    return agents.find((agent) => agent.id === id) ?? null;
  } catch (thrown) {
    if (thrown instanceof ApiError) return null;
    throw thrown;
  }
}

export async function changeAgent(
  id: string,
  change: { state?: string; maxTokensPerDay?: number },
): Promise<void> {
  await api(`/api/v1/me/agents/${encodeURIComponent(id)}`, {
    method: 'PATCH',
    body: change,
    key: crypto.randomUUID(),
  });
}
