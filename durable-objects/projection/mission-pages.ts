import type { IterationPage, MissionPage } from '../../src/missions/views.ts';
import { isRecord } from '../../src/values/fields.ts';
import type { MissionEntry } from './projection.ts';

/** Everything, as a list without a page shows it. */
export const WHOLE: MissionPage = { iterations: null, after: null, most: null };

/** The missions of a page, by their ids; those without a page stay in the order of the log. */
export function pageOf(
  entries: readonly MissionEntry[],
  { after, most }: MissionPage,
): readonly MissionEntry[] {
  if (most === null) return entries;
  const byId = entries.toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  return byId.filter((entry) => after === null || idOf(entry) > after).slice(0, most);
}

function idOf({ mission }: MissionEntry): string {
  return mission.id;
}

/** The newest iterations of a mission, the newest last. */
export function newestOf({ mission }: MissionEntry, most: number | null): readonly unknown[] {
  const { iterations } = mission;
  return most === null ? iterations : iterations.slice(Math.max(0, iterations.length - most));
}

/** So many iterations before a named one; `next` names the oldest of them if there are older ones. */
export function iterationsBefore(
  { mission }: MissionEntry,
  { iterations: most, before }: IterationPage,
): { iterations: readonly unknown[]; next: string | null } {
  const all = mission.iterations;
  const at = before === null ? all.length : all.findIndex((item) => iterationIdOf(item) === before);
  const end = Math.max(0, at);
  const start = Math.max(0, end - most);
  const iterations = all.slice(start, end);
  return { iterations, next: start > 0 ? iterationIdOf(iterations[0]) : null };
}

function iterationIdOf(item: unknown): string | null {
  return isRecord(item) && typeof item['id'] === 'string' ? item['id'] : null;
}
