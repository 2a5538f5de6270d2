/**
 * The fate of each due moment: it ran, was caught up later, was merged into another moment's run,
 * was skipped, or failed. A mission's due moments are the time that its `nextRunAt` names, and
 * those of its cadence that passed before the next run.
 */
import { type Cadence, nextDue } from './cadence.ts';
import { isRecord } from '../values/fields.ts';
import { parseInstantMs } from '../values/instant.ts';
import { sourceOf } from './iteration.ts';
import { FOREGROUND_WINDOW_MS } from './status.ts';

/** How many moments of a mission are kept, the newest. */
export const KEPT_OCCURRENCES = 50;

/** If a run began later than this after its due moment, the moment was caught up. */
export const LATE_AFTER_MS = 10 * 60_000;

/** `rescheduled`: somebody moved the time before its run began. */
export type SkipReason = 'paused' | 'budget' | 'agent' | 'grant' | 'foreground' | 'rescheduled';

/** `runId` is the id of the iteration that the moment led to, or was merged into. */
export type Occurrence = { dueMs: number } & (
  | { fate: 'ran' | 'caught-up' | 'failed' | 'merged'; atMs: number; runId: string }
  | { fate: 'skipped'; atMs: number; reason: SkipReason }
);

export type MomentsQuestion = {
  /** null if the cadence cannot be read; then only the moment of `nextRunAt` counts */
  cadence: Cadence | null;
  missionId: string;
  defaultZone: string;
  /** the moment that nextRunAt names */
  dueMs: number;
  /** moments of the cadence up to this one have a fate already; null if none has */
  settledMs: number | null;
  /** the last instant that counts */
  untilMs: number;
};

/** Steps that one walk along a cadence may take. */
const MOST_STEPS = 2_000;
const HOUR_MS = 60 * 60_000;

/**
 * The moment of `nextRunAt` and the later moments of the cadence that have no fate yet, ascending.
 * If there are very many, the newest are kept.
 */
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
 * The fates that one run settles. It ran for the newest moment that had passed when it began. The
 * older moments, and those that passed while it ran, are merged into it. `moments` come from
 * `dueMoments`.
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

/**
 * True if a browser tab ran the mission for this moment: its iteration began after the moment, or
 * shortly before.
 */
export function ranInForeground(iterations: readonly unknown[], dueMs: number): boolean {
  return iterations.some((item) => {
    if (!isRecord(item) || sourceOf(item) !== 'browser') return false;
    const startedMs = parseInstantMs(item['startedAt']);
    return startedMs !== null && startedMs >= dueMs - FOREGROUND_WINDOW_MS;
  });
}

/**
 * The newest moments of a cadence in (fromMs, untilMs], at least KEPT_OCCURRENCES if there are as
 * many.
 */
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

/**
 * Finds a start between one that is too early and one that is too late. A bisection is needed
 * because a cadence may be dense for a month and silent for the rest of the year.
 */
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

/** All moments in (startMs, untilMs]; null if there are more than MOST_STEPS. */
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

/** The moments of an interval, counted from the moment of `nextRunAt`. */
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
