import { z } from 'zod';

/** zod alone also takes `10:00Z`; RFC 3339 wants the seconds written out. */
const rfc3339 = z.iso.datetime({ offset: true }).regex(/T\d{2}:\d{2}:\d{2}/);

/**
 * Reads an RFC 3339 date and time with an offset.
 * @returns milliseconds since the epoch, finer digits cut off; null for anything else (other types, no offset, 31 February).
 */
export function parseInstantMs(value: unknown): number | null {
  // The longest text we accept is far below this; it keeps the regular expressions off megabytes of garbage.
  if (typeof value !== 'string' || value.length > 64 || !rfc3339.safeParse(value).success) return null;
  const ms = Date.parse(value);
  return Number.isFinite(ms) ? ms : null;
}
