import { api, ApiError } from './api.ts';
import type { LiveEvent } from './live.ts';
import { Watched } from './store.ts';

export type Round = {
  startedAt: string;
  ms: number;
  promptTokens: number;
  answerTokens: number;
  estimated?: boolean;
  offered: number;
  reads: { tool: string; items: number }[];
  proposed: string[];
  refused: { tool: string; reason: string }[];
  adaptation?: string | null;
};

/** A run as the server keeps it: counts, ids and codes. */
export type Run = {
  runId: string;
  dueAt?: string;
  startedAt: string;
  finishedAt?: string;
  waitedMs?: number;
  outcome: string;
  code?: string;
  model?: string;
  locality?: string;
  opened: number;
  skipped: { ref: string; reason: string }[];
  rounds: Round[];
};

type Runs = { runs: readonly Run[]; next?: string };

const MOST = 50;

/** The runs of missions that were asked for. */
export const runs = new Watched<ReadonlyMap<string, Runs>>(new Map());
/** Phases of runs that are under way. */
export const phases = new Watched<
  ReadonlyMap<string, { runId: string; phase: string; round: number }>
>(new Map());

const asking = new Set<string>();

/** Loads a mission's runs once; a server that keeps none has none. */
export function askForRuns(missionId: string): void {
  if (runs.value.has(missionId) || asking.has(missionId)) return;
  asking.add(missionId);
  void loadRuns(missionId).finally(() => asking.delete(missionId));
}

export async function loadRuns(missionId: string): Promise<void> {
  try {
    const path = `/api/v1/me/missions/${encodeURIComponent(missionId)}/runs?limit=${MOST}`;
    const answer = await api<Runs>(path);
    runs.update((before) => new Map(before).set(missionId, answer));
  } catch (thrown) {
    if (!(thrown instanceof ApiError)) throw thrown;
    if (thrown.status === 404)
      runs.update((before) => new Map(before).set(missionId, { runs: [] }));
  }
}

/** Takes an event of a run under way. */
export function heardOfRuns({ name, data }: LiveEvent): void {
  const { missionId, runId, phase, round } = data;
  if (typeof missionId !== 'string') return;
  if (name === 'run' && typeof runId === 'string' && typeof phase === 'string') {
    const told = { runId, phase, round: typeof round === 'number' ? round : 0 };
    phases.update((before) => new Map(before).set(missionId, told));
  }
  if (name === 'iteration') {
    phases.update((before) => {
      const next = new Map(before);
      next.delete(missionId);
      return next;
    });
    if (runs.value.has(missionId)) void loadRuns(missionId);
  }
}

/** The run that a plan came of. */
export function runOf(
  known: ReadonlyMap<string, Runs>,
  missionId: string,
  iterationId: string,
): Run | null {
  return known.get(missionId)?.runs.find(({ runId }) => runId === iterationId) ?? null;
}
