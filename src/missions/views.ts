/** What the HTTP API shows of missions. Times are ISO-8601 UTC. */
import type { MissionStatusReason } from './status.ts';

/** Why a mission does not simply wait for its time. */
export type MissionReason =
  | MissionStatusReason
  | 'agent-busy'
  | 'budget'
  | 'back-off'
  | 'llm-down'
  | 'postgres-down'
  | 'research-pending';

/**
 * A mission as operators see it (GET /internal/missions/:userId). Of its content only the title is
 * shown.
 */
export type InternalMission = {
  id: string;
  title: string;
  state: string;
  nextRunAt: string | null;
  status: 'scheduled' | 'queued' | 'running' | 'waiting' | 'idle';
  reason?: MissionReason;
};

/** What became of one due moment. `runId` is the id of the iteration that it led to. */
export type Occurrence = {
  dueAt: string;
  fate: string;
  at?: string;
  reason?: string;
  runId?: string;
};

/** `state` is 'ok', 'expires-soon' or the reason for which the runner refuses the grant. */
export type GrantView = {
  grantId: string;
  expiresAt: string;
  state: string;
  /** a sentence that says what to do */
  advice?: string;
};

/**
 * A mission as its owner sees it (GET /api/v1/me/missions). `cadence` and `iterations` are shown as
 * the record holds them.
 */
export type OwnerMission = InternalMission & {
  objective: string;
  cadence: unknown;
  occurrences: Occurrence[];
  iterations: unknown[];
  grant?: GrantView;
};

/**
 * The answer of POST /internal/tick. `errors` holds 'still-running:<n>', 'overlap-skipped' and the
 * codes of turns that failed.
 */
export type TickResult = {
  scannedAt: string;
  dueMissionCount: number;
  plansProduced: number;
  plansWrittenBack: number;
  parseFailures: number;
  errors: string[];
};

/** One dependency on /health. `since` is when it came to be as it is. */
export type ComponentHealth = {
  ok: boolean;
  since?: string;
  error?: { code: string; message: string };
};
