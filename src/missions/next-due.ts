import { parseCron, type WallPattern } from './cron.ts';
import { findZone, nextInstant } from './wall-clock.ts';

const MINUTE_MS = 60_000;
const MAX_JITTER_MS = 5 * 60_000;

/**
 * When a mission repeats, as devices write it, checked (`parseCadence` in cadence.ts). `dayOfWeek` 0
 * is Sunday. If no zone is named, the default zone counts.
 */
export type Cadence =
  | { kind: 'manual' }
  | { kind: 'interval'; everyMinutes: number }
  | { kind: 'daily'; atHour: number; atMinute: number; timeZone?: string | null | undefined }
  | {
      kind: 'weekly';
      dayOfWeek: number;
      atHour: number;
      atMinute?: number | null | undefined;
      timeZone?: string | null | undefined;
    }
  | { kind: 'cron'; expression: string; timeZone?: string | null | undefined };

/** `nextMs` is null where there is no next time (manual). */
export type NextDue =
  { ok: true; nextMs: number | null } | { ok: false; reason: 'invalid-cadence' };

/**
 * `afterMs` is the start of the last run for an interval; otherwise the search begins after it
 * (after a downtime: now). `defaultZone` is the IANA zone for a cadence that names none.
 */
export type DueQuestion = { afterMs: number; missionId: string; defaultZone: string };

/**
 * The next due moment (ms), strictly after `afterMs`. It refuses only if the default zone is needed
 * and unknown.
 */
export function nextDue(cadence: Cadence, question: DueQuestion): NextDue {
  if (cadence.kind === 'manual') return { ok: true, nextMs: null };
  if (cadence.kind === 'interval')
    return { ok: true, nextMs: question.afterMs + cadence.everyMinutes * MINUTE_MS };
  const pattern = wallPattern(cadence);
  const zone = findZone(cadence.timeZone ?? question.defaultZone);
  if (pattern === null || zone === null) return { ok: false, reason: 'invalid-cadence' };
  return { ok: true, nextMs: nextInstant(pattern, zone, question.afterMs) };
}

/**
 * The first due moment of a mission that has not run yet. It is as `nextDue`, but an interval is
 * put off by a jitter under a tenth of the interval and under 5 minutes. The jitter follows from
 * the mission's id, so missions that were made together do not stay together.
 */
export function firstDue(cadence: Cadence, question: DueQuestion): NextDue {
  const due = nextDue(cadence, question);
  if (cadence.kind !== 'interval' || !due.ok || due.nextMs === null) return due;
  const spreadMs = Math.min(MAX_JITTER_MS, (cadence.everyMinutes * MINUTE_MS) / 10);
  return { ok: true, nextMs: due.nextMs + Math.floor(fraction(question.missionId) * spreadMs) };
}

type WallCadence = Extract<Cadence, { kind: 'daily' | 'weekly' | 'cron' }>;

function wallPattern(cadence: WallCadence): WallPattern | null {
  if (cadence.kind === 'cron') return parseCron(cadence.expression);
  return {
    minutes: [cadence.atMinute ?? 0],
    hours: [cadence.atHour],
    everyHour: false,
    months: new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    daysOfMonth: null,
    daysOfWeek: cadence.kind === 'weekly' ? new Set([cadence.dayOfWeek]) : null,
  };
}

/**
 * A number in [0, 1) from a text: FNV-1a over its code units. Similar ids differ only at their end,
 * so the hash is mixed once more.
 */
function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}
