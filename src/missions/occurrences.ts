/**
 * What became of each due moment (facts: cadence): it ran, was caught up later, was merged into another moment's run, was skipped, or
 * failed. A mission's moments are the time that its `nextRunAt` names, and those of its cadence that passed before the next run.
 */
import { type Cadence, nextDue } from './cadence.ts';
import { isRecord } from '../values/fields.ts';
import { parseInstantMs } from '../values/instant.ts';
import { FOREGROUND_WINDOW_MS } from './status.ts';

/** How many moments of a mission are kept, the newest. */
export const KEPT_OCCURRENCES = 50;

/** A run that began later than this after its moment was late. */
export const LATE_AFTER_MS = 10 * 60_000;

/** `rescheduled`: somebody moved the time before its run began. */
export type SkipReason = 'paused' | 'budget' | 'agent' | 'grant' | 'foreground' | 'rescheduled';

/** `runId` is the id of the iteration that the moment led to, or was merged into. */
export type Occurrence = { dueMs: number } & (
  | { fate: 'ran' | 'caught-up' | 'failed' | 'merged'; atMs: number; runId: string }
  | { fate: 'skipped'; atMs: number; reason: SkipReason }
);

export type MomentsQuestion = {
  /** null for a broken cadence: then there is the named moment alone */
  cadence: Cadence | null;
  missionId: string;
  defaultZone: string;
  /** the moment that nextRunAt names */
  dueMs: number;
  /** moments of the cadence up to this one have their fate already; null: none has */
  settledMs: number | null;
  /** the last instant that counts */
  untilMs: number;
};

/** Steps that one walk along a cadence may take. */
const MOST_STEPS = 2_000;
const HOUR_MS = 60 * 60_000;

/** The named moment and those of the cadence after it that have no fate yet, ascending; of very many the newest. */
export function dueMoments(question: MomentsQuestion): number[] {
  const { dueMs, settledMs, untilMs } = question;
  const fromMs = Math.max(dueMs, settledMs ?? dueMs);
  const later =
    question.cadence === null || untilMs <= fromMs
      ? []
      : cadenceMoments(question.cadence, question, fromMs);
  return [dueMs, ...later.slice(-(KEPT_OCCURRENCES - 1))];
}

/**
 * The fates that one run settles. Of the moments that had passed when it began, the newest is the one that it ran for; the others, and those
 * that passed while it ran, are merged into it. `moments` as of `dueMoments`.
 */
export function fatesOfRun(run: {
  moments: readonly number[];
  startedMs: number;
  finishedMs: number;
  runId: string;
  failed: boolean;
}): Occurrence[] {
  const { moments, startedMs, finishedMs: atMs, runId, failed } = run;
  const passed = moments.filter((moment, index) => index === 0 || moment <= startedMs);
  const mainMs = passed.at(-1);
  const late = passed.length > 1 || (mainMs !== undefined && startedMs - mainMs > LATE_AFTER_MS);
  const fate = failed ? 'failed' : late ? 'caught-up' : 'ran';
  return moments.map((dueMs) => ({ dueMs, fate: dueMs === mainMs ? fate : 'merged', atMs, runId }));
}

/** The fates of moments that will have no run of their own. */
export function fatesOfSkip(
  moments: readonly number[],
  reason: SkipReason,
  atMs: number,
): Occurrence[] {
  return moments.map((dueMs) => ({ dueMs, fate: 'skipped', atMs, reason }));
}

/** True where a tab ran the mission for a moment: a browser iteration began since it, or shortly before. */
export function ranInForeground(iterations: readonly unknown[], dueMs: number): boolean {
  return iterations.some((item) => {
    if (!isRecord(item) || item['source'] !== 'browser') return false;
    const startedMs = parseInstantMs(item['startedAt']);
    return startedMs !== null && startedMs >= dueMs - FOREGROUND_WINDOW_MS;
  });
}

/** The newest moments of a cadence in (fromMs, untilMs]: at least KEPT_OCCURRENCES of them where there are as many. */
function cadenceMoments(cadence: Cadence, question: MomentsQuestion, fromMs: number): number[] {
  if (cadence.kind === 'manual') return [];
  if (cadence.kind === 'interval')
    return intervalMoments(cadence.everyMinutes * 60_000, question, fromMs);
  let tooFew = question.untilMs;
  for (let spanMs = HOUR_MS; ; spanMs *= 4) {
    const startMs = Math.max(fromMs, question.untilMs - spanMs);
    const found = walk(cadence, question, startMs);
    if (found === null) return bisect(cadence, question, { tooMany: startMs, tooFew });
    if (found.length >= KEPT_OCCURRENCES || startMs === fromMs) return found;
    tooFew = startMs;
  }
}

/** A cadence may be dense for a month and silent for the rest of the year: looks for a start between one too early and one too late. */
function bisect(
  cadence: Cadence,
  question: MomentsQuestion,
  range: { tooMany: number; tooFew: number },
): number[] {
  let { tooMany, tooFew } = range;
  for (;;) {
    const middle = Math.floor((tooMany + tooFew) / 2);
    const found = walk(cadence, question, middle);
    if (found === null) tooMany = middle;
    else if (found.length >= KEPT_OCCURRENCES) return found;
    else tooFew = middle;
  }
}

/** All moments in (startMs, untilMs]; null where they are too many. */
function walk(cadence: Cadence, question: MomentsQuestion, startMs: number): number[] | null {
  const moments: number[] = [];
  for (let afterMs = startMs; moments.length <= MOST_STEPS;) {
    const next = nextDue(cadence, { ...question, afterMs });
    if (!next.ok || next.nextMs === null || next.nextMs > question.untilMs) return moments;
    moments.push(next.nextMs);
    afterMs = next.nextMs;
  }
  return null;
}

/** An interval counts on from the named moment. */
function intervalMoments(
  stepMs: number,
  { dueMs, untilMs }: MomentsQuestion,
  fromMs: number,
): number[] {
  const last = Math.floor((untilMs - dueMs) / stepMs);
  const first = Math.max(Math.floor((fromMs - dueMs) / stepMs) + 1, last - KEPT_OCCURRENCES + 1);
  return Array.from(
    { length: Math.max(0, last - first + 1) },
    (_, index) => dueMs + (first + index) * stepMs,
  );
}
