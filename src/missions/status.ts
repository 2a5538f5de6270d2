import type { Agent } from './agent.ts';
import { isRecord } from '../values/fields.ts';
import { parseInstantMs } from '../values/instant.ts';
import { isEncrypted, type Mission } from './mission.ts';

/** What stands in a mission's way, as far as the records alone tell. The runner adds reasons of its own (budget, back-off, …). */
export type MissionStatusReason =
  | 'invalid-cadence'
  | 'invalid-state'
  | 'invalid-next-run'
  | 'grant-missing'
  | 'agent-paused'
  | 'agent-archived'
  | 'foreground-running';

/** `dueAtMs` is when to look again; null where only a change of the mission or its agent can help. */
export type MissionStatus = {
  status: 'scheduled' | 'waiting' | 'idle';
  reason?: MissionStatusReason;
  dueAtMs: number | null;
};

/** A browser run that has not ended after this long is taken for a tab that was closed. */
export const FOREGROUND_WINDOW_MS = 10 * 60_000;

/**
 * What becomes of a mission, from its record and its agent's alone. Deleted missions are not passed; `agent` is null where the
 * mission names none or one that does not exist (it then runs as the default agent). A mission without a title is fine; one
 * whose title, objective and concept are all empty has nothing to plan and is idle with 'invalid-state'.
 */
export function missionStatus(question: {
  mission: Mission;
  agent: Agent | null;
  nowMs: number;
}): MissionStatus {
  const { mission, agent, nowMs } = question;
  if (mission.state === 'invalid') return idle('invalid-state');
  if (mission.nextRunAt.kind === 'invalid') return idle('invalid-next-run');
  if (mission.state !== 'active') return idle();
  if (isBlank(mission)) return idle('invalid-state');
  if (mission.nextRunAt.kind === 'none')
    return idle(mission.cadence.ok ? undefined : 'invalid-cadence');
  const blocked =
    hasCiphertext(mission) && !carriesGrant(mission) ? 'grant-missing' : agentObstacle(agent);
  if (blocked !== undefined) return answer('waiting', blocked, null);
  const nextRunAtMs = mission.nextRunAt.ms;
  const foregroundUntilMs = foregroundEndMs(mission.iterations, nowMs);
  if (foregroundUntilMs !== null) {
    return answer('waiting', 'foreground-running', Math.max(nextRunAtMs, foregroundUntilMs));
  }
  // A broken cadence yields no next time, but the time that stands there is still kept, once.
  return answer('scheduled', mission.cadence.ok ? undefined : 'invalid-cadence', nextRunAtMs);
}

/**
 * Until when (ms) an open browser run keeps the runner away, null where none does. A start further ahead than the window is a
 * broken clock and counts for nothing, or it could hold the mission for years.
 */
export function foregroundEndMs(iterations: readonly unknown[], nowMs: number): number | null {
  let endMs: number | null = null;
  for (const item of iterations) {
    // Cheap tests first: there may be thousands of old iterations.
    if (!isRecord(item) || item['overallStatus'] !== 'running' || item['source'] !== 'browser')
      continue;
    const startedAtMs = parseInstantMs(item['startedAt']);
    if (startedAtMs === null || startedAtMs > nowMs + FOREGROUND_WINDOW_MS) continue;
    const end = startedAtMs + FOREGROUND_WINDOW_MS;
    if (end > nowMs && (endMs === null || end > endMs)) endMs = end;
  }
  return endMs;
}

function agentObstacle(agent: Agent | null): MissionStatusReason | undefined {
  if (agent?.state === 'archived') return 'agent-archived';
  // A daily budget of 0 is how devices pause an agent's spending.
  return agent?.state === 'paused' || agent?.maxTokensPerDay === 0 ? 'agent-paused' : undefined;
}

function texts(mission: Mission): string[] {
  return [mission.title, mission.objective, mission.conceptMarkdown];
}

function isBlank(mission: Mission): boolean {
  return texts(mission).every((text) => text.trim() === '');
}

function hasCiphertext(mission: Mission): boolean {
  return texts(mission).some(isEncrypted);
}

/** Whether it is a good one shows when the run opens it. */
function carriesGrant({ grant }: Mission): boolean {
  return isRecord(grant) && typeof grant['token'] === 'string';
}

function idle(reason?: MissionStatusReason): MissionStatus {
  return answer('idle', reason, null);
}

function answer(
  status: MissionStatus['status'],
  reason: MissionStatusReason | undefined,
  dueAtMs: number | null,
): MissionStatus {
  return reason === undefined ? { status, dueAtMs } : { status, reason, dueAtMs };
}
