import { z } from 'zod';

/** zod alone also takes `10:00Z`; RFC 3339 wants the seconds written out. */
const rfc3339 = z.iso.datetime({ offset: true }).regex(/T\d{2}:\d{2}:\d{2}/);

/**
 * Reads an RFC 3339 date and time with an offset.
 * @returns microseconds since the epoch, finer digits cut off (exact as a number for the years 1685 to 2255, beyond which nothing
 *   is a stamp); null for anything else: other types, no offset, 31 February, a leap second
 * @see facts: merge rules ("anything else is no date")
 */
export function parseStampUs(value: unknown): number | null {
  // The longest text we accept is far below this; it keeps the regular expressions off megabytes of garbage.
  if (typeof value !== 'string' || value.length > 64 || !rfc3339.safeParse(value).success) return null;
  const secondsMs = Date.parse(value.replace(/\.\d+/, ''));
  const fraction = /\.(\d+)/.exec(value)?.[1] ?? '';
  const us = secondsMs * 1_000 + Number(fraction.slice(0, 6).padEnd(6, '0'));
  return Number.isSafeInteger(us) ? us : null;
}

/** The first whole millisecond not before a stamp. */
export function ceilToMs(stampUs: number): number {
  return Math.ceil(stampUs / 1_000);
}
