import { isRecord } from '../../values/fields.ts';
import { api, ApiError } from './api.ts';
import type { LiveEvent } from './live.ts';
import { Watched } from './store.ts';

export type Json = Record<string, unknown>;
export type InputRef = { module: string; table: string; id: string };
export type Occurrence = {
  dueAt: string;
  fate: string;
  at?: string;
  reason?: string;
  runId?: string;
};
export type GrantState = { grantId: string; expiresAt: string; state: string };

/** A mission as the server shows it. Texts may be ciphertext. */
export type Mission = {
  id: string;
  title: string;
  objective: string;
  conceptMarkdown?: string;
  state: string;
  status: string;
  reason?: string;
  nextRunAt: string | null;
  cadence: unknown;
  inputs?: InputRef[];
  agentId?: string | null;
  next?: string[];
  waitsUntil?: string;
  failure?: { code: string; times: number; retryAt?: string };
  grant?: GrantState;
  occurrences: Occurrence[];
  iterations: Json[];
  timeZone?: string;
};

export type Loaded<T> = { value: T | undefined; problem: ApiError | null; loading: boolean };

/** All missions by id, in the order of the server. */
export const missions = new Watched<Loaded<ReadonlyMap<string, Mission>>>({
  value: undefined,
  problem: null,
  loading: false,
});

/** Enough for what waits; a mission's page asks for more. */
export const ITERATIONS_LISTED = 20;

export async function loadMissions(): Promise<void> {
  missions.update((before) => ({ ...before, loading: true }));
  try {
    const all: Mission[] = [];
    let cursor = '';
    do {
      const page = await api<{ missions: Mission[]; next?: string }>(
        `/api/v1/me/missions?iterations=${ITERATIONS_LISTED}&limit=200${cursor}`,
      );
      all.push(...page.missions);
      cursor = page.next === undefined ? '' : `&cursor=${encodeURIComponent(page.next)}`;
    } while (cursor !== '');
    const value = new Map(all.map((mission) => [mission.id, mission]));
    missions.set({ value, problem: null, loading: false });
  } catch (thrown) {
    if (!(thrown instanceof ApiError)) throw thrown;
    missions.update((before) => ({ ...before, problem: thrown, loading: false }));
  }
}

/** What the server answered to a change. */
export function tookMission(mission: Mission): void {
  missions.update(({ value = new Map<string, Mission>(), ...rest }) => ({
    ...rest,
    value: new Map(value).set(mission.id, mission),
  }));
}

/** Takes what an event of the stream tells. An event tells the present state, so it may come twice. */
export function heardOfMissions({ name, data }: LiveEvent): void {
  const { missionId } = data;
  if (typeof missionId !== 'string') return;
  missions.update((before) => {
    if (before.value === undefined) return before;
    const value = new Map(before.value);
    if (name === 'mission-deleted') value.delete(missionId);
    if (name === 'mission' && isRecord(data['mission'])) {
      const known = value.get(missionId);
      const told = data['mission'] as Mission;
      value.set(missionId, {
        ...told,
        occurrences: told.occurrences ?? known?.occurrences ?? [],
        iterations: kept(known?.iterations ?? [], data['iterationIds']),
      });
    }
    const mission = value.get(missionId);
    if (name === 'iteration' && mission !== undefined && isRecord(data['iteration']))
      value.set(missionId, withIteration(mission, data['iteration']));
    if (name === 'iteration-deleted' && mission !== undefined) {
      const iterations = mission.iterations.filter(({ id }) => id !== data['iterationId']);
      value.set(missionId, { ...mission, iterations });
    }
    return { ...before, value };
  });
}

function kept(iterations: Json[], ids: unknown): Json[] {
  return Array.isArray(ids) ? iterations.filter(({ id }) => ids.includes(id)) : iterations;
}

function withIteration(mission: Mission, iteration: Json): Mission {
  const at = mission.iterations.findIndex(({ id }) => id === iteration['id']);
  const iterations =
    at < 0 ? [...mission.iterations, iteration] : mission.iterations.with(at, iteration);
  return { ...mission, iterations };
}

const DECIDABLE = new Set(['planned', 'staged']);

/** Whether somebody may still decide this step. */
export function isOpen(step: Json): boolean {
  return DECIDABLE.has(String(step['status'])) || step['status'] === undefined;
}

export function stepsOf(iteration: Json): Json[] {
  return Array.isArray(iteration['plan']) ? iteration['plan'].filter(isRecord) : [];
}

export type Plan = { mission: Mission; iteration: Json };

/** The plans that wait for a decision, the newest first. */
export function waitingPlans(all: ReadonlyMap<string, Mission>): Plan[] {
  const plans = [...all.values()].flatMap((mission) =>
    mission.iterations
      .filter(
        (iteration) =>
          iteration['overallStatus'] === 'awaiting-review' && stepsOf(iteration).some(isOpen),
      )
      .map((iteration) => ({ mission, iteration })),
  );
  return plans.toSorted((a, b) => timeOf(b.iteration) - timeOf(a.iteration));
}

export function timeOf(iteration: Json): number {
  const at = Date.parse(String(iteration['finishedAt'] ?? iteration['startedAt']));
  return Number.isNaN(at) ? 0 : at;
}
