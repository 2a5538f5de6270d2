import type { Agent } from './agent.ts';
import { isRecord } from '../values/fields.ts';
import { parseInstantMs } from '../values/instant.ts';
import { sourceOf } from './iteration.ts';
import { isEncrypted, type Mission } from './mission.ts';

/**
 * Why a mission does not run, as far as its records tell. The runner adds reasons of its own
 * (budget, back-off, …).
 */
export type MissionStatusReason =
  | 'invalid-cadence'
  | 'invalid-state'
  | 'invalid-next-run'
  | 'grant-missing'
  | 'agent-paused'
  | 'agent-archived'
  | 'foreground-running';

/** `dueAtMs` is when to look again; null if only a change of the mission or its agent can help. */
export type MissionStatus = {
  status: 'scheduled' | 'waiting' | 'idle';
  reason?: MissionStatusReason;
  dueAtMs: number | null;
};

/** If a browser run has not ended after this long, its tab was probably closed. */
export const FOREGROUND_WINDOW_MS = 10 * 60_000;

/**
 * What a mission does, from its record and its agent's alone. Deleted missions are not passed.
 * `agent` is null if the mission names none, or one that does not exist; it then runs as the
 * default agent. A mission may have no title, but if title, objective and concept are all empty
 * there is nothing to plan, and it is idle with 'invalid-state'.
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
  const blocked = lacksGrant(mission) ? 'grant-missing' : agentObstacle(agent);
  if (blocked !== undefined) return answer('waiting', blocked, null);
  const nextRunAtMs = mission.nextRunAt.ms;
  const foregroundUntilMs = foregroundEndMs(mission.iterations, nowMs);
  if (foregroundUntilMs !== null) {
    return answer('waiting', 'foreground-running', Math.max(nextRunAtMs, foregroundUntilMs));
  }
  // If the cadence is broken, there is no next time, but the time that stands in the record is
  // still kept, once.
  return answer('scheduled', mission.cadence.ok ? undefined : 'invalid-cadence', nextRunAtMs);
}

/**
 * Until when (ms) an open browser run keeps the runner away; null if none does. A start that lies
 * further ahead than the window comes from a wrong clock and counts for nothing; otherwise it could
 * hold the mission for years.
 */
export function foregroundEndMs(iterations: readonly unknown[], nowMs: number): number | null {
  let endMs: number | null = null;
  for (const item of iterations) {
    // The cheap tests come first, because there may be thousands of old iterations.
    if (!isRecord(item) || item['overallStatus'] !== 'running' || sourceOf(item) !== 'browser')
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

/**
 * True for ciphertext without a grant, and for a grant that is none of ours (the app's own form has no
 * token): a mission that carries a grant runs under it or waits. Whether the token is good shows when
 * the run opens it.
 */
function lacksGrant(mission: Mission): boolean {
  const { grant } = mission;
  if (grant === null) return hasCiphertext(mission);
  return !isRecord(grant) || typeof grant['token'] !== 'string';
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
