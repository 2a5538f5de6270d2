import type { AgentChange } from '../missions/views.ts';
import { canonicalJson } from '../values/canonical-json.ts';
import { DEVICE_API_CLIENT_ID, type DeviceChangeRow } from './change-row.ts';
import { type RecordState, register } from './merge.ts';
import { nextStamp } from './write-back.ts';

export type AgentRowContext = {
  userId: string;
  agentId: string;
  rowId: string;
  state: RecordState;
  nowMs: number;
};

/** The change row of an agent as a device of the person would write it; null where it is so already. */
export function buildAgentRow(
  { userId, agentId, rowId, state, nowMs }: AgentRowContext,
  change: AgentChange,
): DeviceChangeRow | null {
  const changed = Object.entries(change).filter(
    ([name, value]) =>
      value !== undefined &&
      canonicalJson(value) !== canonicalJson(register(state, name)?.value ?? null),
  );
  if (changed.length === 0) return null;
  const after = [...changed.map(([name]) => register(state, name)), state.existence];
  const stamp = nextStamp({ nowMs, after });
  return {
    id: rowId,
    appId: 'ai',
    tableName: 'agents',
    recordId: agentId,
    userId,
    op: 'update',
    data: Object.fromEntries(changed),
    fieldMeta: Object.fromEntries(changed.map(([name]) => [name, stamp])),
    clientId: DEVICE_API_CLIENT_ID,
    actor: { kind: 'user', principalId: userId, displayName: 'mana-edge API' },
    origin: 'user',
    spaceId: state.spaceId ?? null,
  };
}
