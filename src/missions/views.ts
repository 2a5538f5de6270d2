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

/** Which missions of a list, and how many of their newest iterations; null: all. */
export type MissionPage = {
  iterations: number | null;
  /** the id that `next` named */
  after: string | null;
  most: number | null;
};

/** Which iterations of one mission: so many before that one; null: the newest. */
export type IterationPage = { iterations: number; before: string | null };

/** One mission with a page of its iterations; `next` is the `before` of the page that follows. */
export type PagedMission = { mission: OwnerMission; next: string | null };

/** An agent as its owner sees it (GET /api/v1/me/agents). Its prompt and memory are not shown. */
export type OwnerAgent = {
  id: string;
  name: string;
  role: string;
  state: string;
  maxConcurrentMissions: number;
  maxTokensPerDay: number | null;
  usedTokens24h: number;
};

/** What a person changes of an agent. */
export type AgentChange = {
  state?: 'active' | 'paused' | undefined;
  maxTokensPerDay?: number | null | undefined;
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
  conceptMarkdown?: string;
  inputs?: { module: string; table: string; id: string }[];
  agentId?: string | null;
  cadence: unknown;
  /** the IANA zone that its times are meant in: the cadence's, else the runner's */
  timeZone?: string;
  /** the next five times of its cadence */
  next?: string[];
  /** of a mission that waits: when that is looked at again */
  waitsUntil?: string;
  /** of a mission that fails: by what, how often in a row, and when it is tried again */
  failure?: { code: string; times: number; retryAt: string };
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
