/** The wall-clock moments that a cadence names, as the values that match. */
export type WallPattern = {
  minutes: readonly number[];
  hours: readonly number[];
  /**
   * The hour field is a bare `*`. Then an hour that repeats because clocks go back counts twice.
   */
  everyHour: boolean;
  months: ReadonlySet<number>;
  /**
   * Null if the field is a bare `*`. If both day fields are given, a day that matches either
   * counts.
   */
  daysOfMonth: ReadonlySet<number> | null;
  /** 0 is Sunday. */
  daysOfWeek: ReadonlySet<number> | null;
};

/**
 * `last` is where `*` and `a/step` end. It is smaller than `max` if one value has two numbers, as
 * Sunday has 0 and 7.
 */
type FieldShape = { min: number; last: number; max: number; names?: readonly string[] };

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

const MINUTE: FieldShape = { min: 0, last: 59, max: 59 };
const HOUR: FieldShape = { min: 0, last: 23, max: 23 };
const DAY_OF_MONTH: FieldShape = { min: 1, last: 31, max: 31 };
const MONTH: FieldShape = { min: 1, last: 12, max: 12, names: MONTHS };
/** Both 0 and 7 are Sunday, so that `5-7` can be written. */
const DAY_OF_WEEK: FieldShape = { min: 0, last: 6, max: 7, names: WEEKDAYS };

const MACROS = new Map([
  ['@hourly', '0 * * * *'],
  ['@daily', '0 0 * * *'],
  ['@weekly', '0 0 * * 0'],
  ['@monthly', '0 0 1 * *'],
  ['@yearly', '0 0 1 1 *'],
]);

/** The most days that each month can have, February in a leap year. */
const LONGEST = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const MAX_EXPRESSION_LENGTH = 512;

/**
 * Reads a cron expression: five fields of lists, ranges, steps and English names, or one of five
 * macros. Days of the week may wrap around (`FRI-MON`). The result is null if a value is out of range,
 * any other range wraps around, an extension is used
 * (`L`, `W`, `#`, `?`, seconds), or no day can ever match (30 February).
 */
export function parseCron(expression: string): WallPattern | null {
  if (expression.length > MAX_EXPRESSION_LENGTH) return null;
  const text = expression.trim();
  const fields = (MACROS.get(text.toLowerCase()) ?? text).split(/[ \t]+/);
  const [minute, hour, dayOfMonth, month, dayOfWeek] = fields;
  if (fields.length !== 5 || !minute || !hour || !dayOfMonth || !month || !dayOfWeek) return null;
  const minutes = parseField(minute, MINUTE);
  const hours = parseField(hour, HOUR);
  const days = parseField(dayOfMonth, DAY_OF_MONTH);
  const months = parseField(month, MONTH);
  const weekdays = parseField(dayOfWeek, DAY_OF_WEEK);
  if (!minutes || !hours || !days || !months || !weekdays) return null;
  const pattern: WallPattern = {
    minutes: ascending(minutes),
    hours: ascending(hours),
    everyHour: hour === '*',
    months,
    daysOfMonth: dayOfMonth === '*' ? null : days,
    daysOfWeek: dayOfWeek === '*' ? null : new Set(Array.from(weekdays, (day) => day % 7)),
  };
  return isPossible(pattern) ? pattern : null;
}

function parseField(text: string, shape: FieldShape): Set<number> | null {
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const range = parsePart(part, shape);
    if (range === null) return null;
    for (let value = range.from; value <= range.to; value += range.step) values.add(value);
  }
  return values;
}

/**
 * One of `*`, `a`, `a-b`, each with an optional `/step`; `a/step` runs from a to the end of the
 * field.
 */
function parsePart(
  part: string,
  shape: FieldShape,
): { from: number; to: number; step: number } | null {
  const match =
    /^(?:\*|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:\/([0-9]{1,2}))?$/i.exec(part);
  if (match === null) return null;
  const [, first, last, steps] = match;
  const step = steps === undefined ? 1 : Number(steps);
  const from = first === undefined ? shape.min : parseValue(first, shape);
  const open = first === undefined || steps !== undefined;
  const to = last === undefined ? (open ? shape.last : from) : parseValue(last, shape);
  if (from === null || to === null || step < 1 || step > shape.last - shape.min + 1) return null;
  const range = shape === DAY_OF_WEEK && last !== undefined ? weekRange(from, to) : { from, to };
  return range.from > range.to ? null : { ...range, step };
}

/** Days from one to another through the week: `FRI-MON` and `SAT-SUN` go over its end, `7-2` begins anew. */
function weekRange(from: number, to: number): { from: number; to: number } {
  if (from <= to) return { from, to };
  return from === 7 ? { from: 0, to } : { from, to: to + 7 };
}

function parseValue(text: string, shape: FieldShape): number | null {
  const name = shape.names?.indexOf(text.toUpperCase()) ?? -1;
  const value = name >= 0 ? name + shape.min : /^\d+$/.test(text) ? Number(text) : null;
  return value !== null && value >= shape.min && value <= shape.max ? value : null;
}

/**
 * False if the pattern can never match: a weekday comes in every month, but a day of the month
 * needs a month that is long enough.
 */
function isPossible(pattern: WallPattern): boolean {
  const { daysOfMonth, daysOfWeek, months } = pattern;
  if (daysOfMonth === null || daysOfWeek !== null) return true;
  const earliest = Math.min(...daysOfMonth);
  return [...months].some((month) => earliest <= (LONGEST[month - 1] ?? 0));
}

function ascending(values: ReadonlySet<number>): number[] {
  return [...values].toSorted((a, b) => a - b);
}
