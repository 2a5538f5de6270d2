import { parseStamp } from './stamps.ts';

/**
 * Reads an RFC 3339 date and time with an offset, in the way of `parseStamp`.
 * @returns milliseconds since the epoch, finer digits cut off; null for anything else (another
 *   type, no offset, 31 February)
 */
export function parseInstantMs(value: unknown): number | null {
  const us = parseStamp(value);
  return us === null ? null : Math.floor(us / 1_000);
}
