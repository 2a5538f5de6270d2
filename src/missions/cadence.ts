import { z } from 'zod';

import { parseCron } from './cron.ts';
import type { Cadence } from './next-due.ts';
import { findZone } from './wall-clock.ts';

export { type Cadence, type DueQuestion, firstDue, type NextDue, nextDue } from './next-due.ts';

/** Ten years. Nobody waits longer on purpose, and below it every sum of times is a valid date. */
const MAX_INTERVAL_MINUTES = 10 * 366 * 24 * 60;

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

/** The outcome of reading a mission's cadence. `ok: false` is shown as 'invalid-cadence'. */
export type CadenceParse = { ok: true; cadence: Cadence } | { ok: false };

/**
 * Reads a mission's `cadence`. A number out of range, an unknown zone or an impossible cron
 * expression makes it invalid; nothing is corrected silently.
 */
export function parseCadence(value: unknown): CadenceParse {
  const parsed = cadenceSchema.safeParse(value);
  return parsed.success ? { ok: true, cadence: parsed.data } : { ok: false };
}
