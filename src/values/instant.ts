import { parseStamp } from './stamps.ts';

/**
 * Reads an RFC 3339 date and time with an offset, as stamps are read.
 * @returns milliseconds since the epoch, finer digits cut off; null for anything else (other types, no offset, 31 February)
 */
export function parseInstantMs(value: unknown): number | null {
  const us = parseStamp(value);
  return us === null ? null : Math.floor(us / 1_000);
}
