/** When a plan is made, and in which zone its days are meant (IANA). */
export type Moment = { nowMs: number; timeZone: string };

const DAY_MS = 86_400_000;

/** The calendar day (YYYY-MM-DD) of an instant in a zone. */
export function dayIn(ms: number, timeZone: string): string {
  return new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(new Date(ms));
}

/** The day so many days after another one; both YYYY-MM-DD. */
export function daysAfter(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

/** The weekday of a day, 0 for Sunday. */
export function weekdayOf(day: string): number {
  return new Date(`${day}T00:00:00Z`).getUTCDay();
}

/** Whether a text is a day that exists, as YYYY-MM-DD. */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const ms = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

/** The offset of a zone at an instant, as `+01:00`. */
export function offsetAt(ms: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone,
    timeZoneName: 'longOffset',
  }).formatToParts(new Date(ms));
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
  return /[+-]\d{2}:\d{2}/.exec(name)?.[0] ?? '+00:00';
}

/** The instant of a local time (`2026-12-03T09:00`) in a zone, as ISO 8601 with the zone's offset then. */
export function localInstant(local: string, timeZone: string): string {
  const asUtc = Date.parse(`${local}Z`);
  // Near a change of the clocks the offset of the instant itself counts.
  const guess = offsetAt(asUtc, timeZone);
  const offset = offsetAt(Date.parse(`${local}${guess}`), timeZone);
  return `${local}${offset}`;
}
