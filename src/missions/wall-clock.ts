import type { WallPattern } from './cron.ts';

/**
 * The wall-clock time of a zone, on top of Intl alone. A "wall" is a local date and time, written
 * as the milliseconds that the same date and time would have in UTC. An offset is wall minus
 * instant.
 */
export type Zone = { offsetAt(instantMs: number): number };

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/**
 * How many months a search may look at. From February 2096 to the next 29 February, in 2104, these
 * are 97, both ends counted; one is to spare.
 */
const MAX_MONTHS = 8 * 12 + 2;
/** After this instant the search could leave the range of Date. */
const MAX_INSTANT_MS = 8.64e15 - 10 * 366 * DAY_MS;

/** Zone names come from people's records and a formatter costs memory, so only so many are kept. */
const MAX_ZONES = 64;
const zones = new Map<string, Zone>();

/** The zone of an IANA name (or `+02:00`); null for a name that this runtime does not know. */
export function findZone(name: string): Zone | null {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = name.length <= 64 ? makeZone(name) : null;
  if (zone === null) return null;
  const oldest = zones.keys().next();
  if (zones.size >= MAX_ZONES && !oldest.done) zones.delete(oldest.value);
  zones.set(name, zone);
  return zone;
}

function makeZone(timeZone: string): Zone | null {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    return null;
  }
  return {
    offsetAt(instantMs) {
      // The text is "11/24/2026, 10:20:26". Parsing it is several times faster than formatToParts.
      const [month = 1, day = 1, year = 0, hour, minute, second] = format
        .format(instantMs)
        .split(/\D+/)
        .map(Number);
      return (
        Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instantMs / 1000) * 1000
      );
    },
  };
}

/**
 * The first instant (ms) strictly after `afterMs` at which a moment of the pattern is due in the
 * zone. If clocks skip the moment, it is due at the end of the gap. If clocks show it twice, it is
 * due at the first time, or at both if the hour field is `*`. Null if the calendar ends first.
 */
export function nextInstant(pattern: WallPattern, zone: Zone, afterMs: number): number | null {
  if (!Number.isFinite(afterMs) || Math.abs(afterMs) > MAX_INSTANT_MS) return null;
  const next = nextAhead(pattern, zone, afterMs);
  const repeated = pattern.everyHour ? nextRepeated(pattern, zone, afterMs) : null;
  return next === null || (repeated !== null && repeated < next) ? repeated : next;
}

/**
 * Looks at walls later than the present one. First occurrences come in the order of their walls, so
 * no earlier one is missed.
 */
function nextAhead(pattern: WallPattern, zone: Zone, afterMs: number): number | null {
  const lastWall = startOfMinute(afterMs + zone.offsetAt(afterMs));
  let wall = nextWall(pattern, lastWall + MINUTE_MS);
  while (wall !== null) {
    const instants = occurrences(zone, wall);
    const due = (pattern.everyHour ? instants : instants.slice(0, 1)).find(
      (instant) => instant > afterMs,
    );
    if (due !== undefined) return due;
    // This happens only inside the second pass of a repeated hour, and ends after a few more steps.
    wall = nextWall(pattern, wall + MINUTE_MS);
  }
  return null;
}

/** Looks at walls that have passed once and come again, because clocks go back within a day. */
function nextRepeated(pattern: WallPattern, zone: Zone, afterMs: number): number | null {
  const offset = zone.offsetAt(afterMs);
  const later = zone.offsetAt(afterMs + DAY_MS);
  if (later >= offset) return null;
  const lastWall = startOfMinute(afterMs + offset);
  let wall = nextWall(pattern, startOfMinute(afterMs + later));
  while (wall !== null && wall <= lastWall) {
    const instant = wall - later;
    if (instant > afterMs && occurrences(zone, wall).includes(instant)) return instant;
    wall = nextWall(pattern, wall + MINUTE_MS);
  }
  return null;
}

/**
 * The instants (ms, ascending) at which a zone's clocks show a wall. If clocks skip it, the one
 * instant at the end of the gap. Never empty.
 */
function occurrences(zone: Zone, wall: number): number[] {
  // No offset is as large as a day, so these two instants lie before and after any change of clocks
  // around the wall.
  const before = zone.offsetAt(wall - DAY_MS);
  const after = zone.offsetAt(wall + DAY_MS);
  const candidates =
    before === after
      ? [wall - before]
      : [wall - Math.max(before, after), wall - Math.min(before, after)];
  const instants = candidates.filter((instant) => instant + zone.offsetAt(instant) === wall);
  return instants.length > 0 ? instants : [gapEnd(zone, wall, wall - DAY_MS, wall + DAY_MS)];
}

/**
 * The first instant whose wall is later than the skipped one. It is found by bisection between an
 * instant before the gap and one after it.
 */
function gapEnd(zone: Zone, wall: number, before: number, after: number): number {
  let [low, high] = [before, after];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (middle + zone.offsetAt(middle) > wall) high = middle;
    else low = middle;
  }
  return high;
}

/**
 * The first wall of the pattern at or after the given one (a whole minute); null if no month up to
 * the limit has one.
 */
function nextWall(pattern: WallPattern, fromWall: number): number | null {
  const from = new Date(fromWall);
  const dayStart = Math.floor(fromWall / DAY_MS) * DAY_MS;
  if (matchesDay(pattern, from)) {
    const time = nextTime(pattern, (fromWall - dayStart) / MINUTE_MS);
    if (time !== null) return dayStart + time * MINUTE_MS;
  }
  const day = nextDay(pattern, dayStart + DAY_MS);
  const time = nextTime(pattern, 0);
  return day === null || time === null ? null : day + time * MINUTE_MS;
}

/** The first matching day (its midnight as a wall) at or after the given midnight. */
function nextDay(pattern: WallPattern, fromMidnight: number): number | null {
  const day = new Date(fromMidnight);
  for (let months = 0; months < MAX_MONTHS; months++) {
    const found = nextDayOfMonth(pattern, day);
    if (found !== null) return found;
    day.setUTCMonth(day.getUTCMonth() + 1, 1);
  }
  return null;
}

/** As nextDay, within the month that the day is in. */
function nextDayOfMonth(pattern: WallPattern, from: Date): number | null {
  const month = from.getUTCMonth();
  if (!pattern.months.has(month + 1)) return null;
  for (
    const day = new Date(from);
    day.getUTCMonth() === month;
    day.setUTCDate(day.getUTCDate() + 1)
  ) {
    if (matchesDay(pattern, day)) return day.getTime();
  }
  return null;
}

function matchesDay(pattern: WallPattern, day: Date): boolean {
  const { months, daysOfMonth, daysOfWeek } = pattern;
  if (!months.has(day.getUTCMonth() + 1)) return false;
  if (daysOfMonth === null && daysOfWeek === null) return true;
  return daysOfMonth?.has(day.getUTCDate()) === true || daysOfWeek?.has(day.getUTCDay()) === true;
}

/**
 * The first time of day of the pattern at or after the given minute of the day, as a minute of the
 * day.
 */
function nextTime(pattern: WallPattern, fromMinute: number): number | null {
  for (const hour of pattern.hours) {
    if (hour * 60 + 59 < fromMinute) continue;
    const minute = pattern.minutes.find((candidate) => hour * 60 + candidate >= fromMinute);
    if (minute !== undefined) return hour * 60 + minute;
  }
  return null;
}

function startOfMinute(wall: number): number {
  return Math.floor(wall / MINUTE_MS) * MINUTE_MS;
}
