import { z } from 'zod';

import { parseCron, type WallPattern } from './cron.ts';
import { findZone, nextInstant } from './wall-clock.ts';

const MINUTE_MS = 60_000;
/** Ten years. Nobody waits longer on purpose, and below it every sum of times is a valid date. */
const MAX_INTERVAL_MINUTES = 10 * 366 * 24 * 60;
const MAX_JITTER_MS = 5 * 60_000;

/** Devices may write null for "none". */
const optionalZone = z
  .string()
  .refine((name) => findZone(name) !== null, 'wants an IANA time zone')
  .nullish();
const hour = z.int().min(0).max(23);
const minute = z.int().min(0).max(59);

/** The cadence field of a mission, as devices write it. */
export const cadenceSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('manual') }),
  z.object({ kind: z.literal('interval'), everyMinutes: z.int().min(1).max(MAX_INTERVAL_MINUTES) }),
  z.object({ kind: z.literal('daily'), atHour: hour, atMinute: minute, timeZone: optionalZone }),
  z.object({
    kind: z.literal('weekly'),
    dayOfWeek: z.int().min(0).max(6),
    atHour: hour,
    atMinute: minute.nullish(),
    timeZone: optionalZone,
  }),
  z.object({
    kind: z.literal('cron'),
    expression: z
      .string()
      .refine(
        (expression) => parseCron(expression) !== null,
        'wants a cron expression of five fields',
      ),
    timeZone: optionalZone,
  }),
]);

/**
 * When a mission repeats, as devices write it, checked. `dayOfWeek` 0 is Sunday. If no zone is
 * named, the default zone counts.
 */
export type Cadence = z.infer<typeof cadenceSchema>;

/** The outcome of reading a mission's cadence. `ok: false` is shown as 'invalid-cadence'. */
export type CadenceParse = { ok: true; cadence: Cadence } | { ok: false };

/** `nextMs` is null where there is no next time (manual). */
export type NextDue =
  { ok: true; nextMs: number | null } | { ok: false; reason: 'invalid-cadence' };

/**
 * `afterMs` is the start of the last run for an interval; otherwise the search begins after it
 * (after a downtime: now). `defaultZone` is the IANA zone for a cadence that names none.
 */
export type DueQuestion = { afterMs: number; missionId: string; defaultZone: string };

/**
 * Reads a mission's `cadence`. A number out of range, an unknown zone or an impossible cron
 * expression makes it invalid; nothing is corrected silently.
 */
export function parseCadence(value: unknown): CadenceParse {
  const parsed = cadenceSchema.safeParse(value);
  return parsed.success ? { ok: true, cadence: parsed.data } : { ok: false };
}

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
