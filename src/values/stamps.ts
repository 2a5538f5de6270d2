/**
 * Instants of the sync log as whole microseconds since the epoch, in a JS number.
 *
 * Such numbers are exact up to the year 2255. So every instant outside [1700, 2255] counts as the
 * nearer bound: Go's zero time stays older than everything, and a sentinel in the year 9999 newer.
 * Only the order among such stamps is lost; of equal stamps the later row wins.
 */

/** 1700-01-01T00:00:00Z in microseconds: every earlier instant counts as this one. */
export const EARLIEST_US = Date.UTC(1700, 0, 1) * 1000;

/**
 * 2255-01-01T00:00:00Z in microseconds: every later instant counts as this one. It is whole
 * milliseconds, so that `Date` can write it.
 */
export const LATEST_US = Date.UTC(2255, 0, 1) * 1000;

/**
 * RFC 3339 `date-time`. Its ABNF allows a lower-case T and Z. Hour 24 and the leap second :60 are
 * refused here.
 */
const rfc3339 =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d+))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/i;

type DateParts = [
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
];

/**
 * The longest text that the regular expression sees. No real stamp is nearly as long, and megabytes
 * of garbage cost nothing so.
 */
const MAX_LENGTH = 64;

/**
 * Reads an RFC 3339 date and time with an offset.
 * @returns microseconds since the epoch, finer digits cut off; null for anything else (another
 *   type, no offset, 30 February)
 */
export function parseStamp(value: unknown): number | null {
  if (typeof value !== 'string' || value.length > MAX_LENGTH) return null;
  const match = rfc3339.exec(value);
  if (!match) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as DateParts;
  if (day > daysInMonth(year, month)) return null;
  // Date.UTC reads the years 0 to 99 as 19xx. All of those years lie below our range anyway.
  if (year < 100) return EARLIEST_US;
  const offsetMinutes = Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0);
  const local = Date.UTC(year, month - 1, day, hour, minute, second);
  const ms = match[8] === '-' ? local + offsetMinutes * 60_000 : local - offsetMinutes * 60_000;
  return clamp(ms * 1000 + Number((match[7] ?? '').slice(0, 6).padEnd(6, '0')));
}

/**
 * Writes microseconds since the epoch the way the log's `created_at` is selected:
 * `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
 */
export function formatStamp(us: number): string {
  const safe = clamp(us);
  const ms = Math.floor(safe / 1000);
  const micros = String(safe - ms * 1000).padStart(3, '0');
  return `${new Date(ms).toISOString().slice(0, -1)}${micros}Z`;
}

/** Negative where `a` is the earlier instant, 0 where they are equal. */
export function compareStamps(a: number, b: number): number {
  return a - b;
}

function clamp(us: number): number {
  return Math.min(Math.max(us, EARLIEST_US), LATEST_US);
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}
