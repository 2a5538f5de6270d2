const WEEKDAYS = [
  'Sunday',
  'Monday',
  'Tuesday',
  'Wednesday',
  'Thursday',
  'Friday',
  'Saturday',
] as const;
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;

const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/i;

/**
 * A day or an instant in ISO 8601 as a person says it: `Friday, 8 January 2027`, with `09:00` and `UTC` or the offset where they
 * are given. The weekday comes with the date, because the words are read on another day. Any other text stays as it is.
 */
export function readableDate(text: string): string {
  const found = ISO.exec(text.trim());
  if (found === null) return text;
  const [, year, month, day, time, zone] = found;
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  const isReal = !Number.isNaN(date.getTime()) && date.getUTCDate() === Number(day);
  if (!isReal) return text;
  const spoken = `${WEEKDAYS[date.getUTCDay()]}, ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${Number(year)}`;
  if (time === undefined) return spoken;
  const offset = zone === undefined ? '' : ` ${zone.toUpperCase() === 'Z' ? 'UTC' : zone}`;
  return `${spoken}, ${time}${offset}`;
}

/** The same in another language, in the way that people there write a date. Any other text stays as it is. */
export function localDate(text: string, language: string): string {
  const found = ISO.exec(text.trim());
  if (found === null) return text;
  const [, year, month, day, time, zone] = found;
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  if (Number.isNaN(date.getTime()) || date.getUTCDate() !== Number(day)) return text;
  const spoken = new Intl.DateTimeFormat(language, { dateStyle: 'full', timeZone: 'UTC' }).format(
    date,
  );
  if (time === undefined) return spoken;
  const offset = zone === undefined ? '' : ` ${zone.toUpperCase() === 'Z' ? 'UTC' : zone}`;
  return `${spoken}, ${time}${offset}`;
}
