import type { Agent } from './agent.ts';
import type { Mission } from './mission.ts';
import type { SkipReason } from './occurrences.ts';
import { missionStatus } from './status.ts';
import type { MissionReason } from './views.ts';

/** What keeps a due mission waiting although nothing failed. */
export type HoldReason =
  'grant-missing' | 'agent-busy' | 'budget' | 'research-pending' | 'back-off';

/** `untilMs` null: until a change of the mission or an agent. */
export type Hold = { reason: HoldReason; untilMs: number | null };

/** Failures in a row of one mission, kept until a run of it succeeds. */
export type Attempt = { failures: number; retryAtMs: number; code: string };

/** What the runner knows beside the records. */
export type RunnerFacts = {
  isRunning: boolean;
  hold: Hold | null;
  attempt: Attempt | null;
  /** the last turns of this user failed before a mission was chosen */
  isUserBackedOff: boolean;
  isPostgresDown: boolean;
  isLlmDown: boolean;
};

/** `agent` null: the mission names none, or one that does not exist. */
export type StandingQuestion = {
  mission: Mission;
  agent: Agent | null;
  nowMs: number;
  /** absent: only what the records tell counts */
  runner?: Partial<RunnerFacts>;
};

/**
 * 'queued': due, and nothing is in the way. `dueAtMs`: when the records make the mission due; null
 * if only a change of the mission or its agent can do that.
 */
export type Standing = {
  status: 'scheduled' | 'queued' | 'running' | 'waiting' | 'idle';
  reason?: MissionReason;
  dueAtMs: number | null;
};

/**
 * Whether a mission runs now, and if not, why not: the one answer for the run itself, the agenda,
 * the status and the fates of due moments. What the records tell comes first, then the mission's
 * own trouble, then what troubles all.
 */
export function standingOf({ mission, agent, nowMs, runner = {} }: StandingQuestion): Standing {
  const { status, reason, dueAtMs } = missionStatus({ mission, agent, nowMs });
  if (runner.isRunning === true) return { status: 'running', dueAtMs };
  if (dueAtMs === null || dueAtMs > nowMs)
    return reason === undefined ? { status, dueAtMs } : { status, reason, dueAtMs };
  const obstacle = obstacleOf(runner, nowMs);
  return obstacle === null
    ? { status: 'queued', dueAtMs }
    : { status: 'waiting', reason: obstacle, dueAtMs };
}

/**
 * Why a mission whose moment came had no run for it; null if nothing was in the way. A hold counts
 * although its time is over: it was in the way until the turn that it delayed.
 */
export function skipReasonOf(
  question: StandingQuestion & { hold: Hold | null },
): SkipReason | null {
  const { hold, ...rest } = question;
  if (rest.mission.state === 'paused') return 'paused';
  const lasting = hold === null ? null : { ...hold, untilMs: null };
  const { reason } = standingOf({ ...rest, runner: { hold: lasting } });
  return reason === undefined ? null : (SKIPPED_FOR[reason] ?? null);
}

const SKIPPED_FOR: Partial<Record<MissionReason, SkipReason>> = {
  'grant-missing': 'grant',
  'agent-paused': 'agent',
  'agent-archived': 'agent',
  'agent-busy': 'agent',
  'foreground-running': 'foreground',
  budget: 'budget',
};

function obstacleOf(runner: Partial<RunnerFacts>, nowMs: number): MissionReason | null {
  const { hold = null, attempt = null } = runner;
  if (hold !== null && (hold.untilMs === null || hold.untilMs > nowMs)) return hold.reason;
  if (attempt !== null && attempt.retryAtMs > nowMs) return 'back-off';
  if (runner.isPostgresDown === true) return 'postgres-down';
  if (runner.isLlmDown === true) return 'llm-down';
  return runner.isUserBackedOff === true ? 'back-off' : null;
}
