import type { z } from 'zod';
import { daysAfter, dayIn, isDay, localInstant, type Moment, weekdayOf } from './calendar-days.ts';
import { timeKindOf, type Tool } from './tools/tool.ts';

/** `problem` is a sentence for the model. */
export type Dated = { ok: true; params: Record<string, unknown> } | { ok: false; problem: string };

/** Days that words name, counted from today, in English, German, French, Spanish and Italian. */
const RELATIVE: ReadonlyMap<string, number> = new Map([
  ...['today', 'heute', "aujourd'hui", 'hoy', 'oggi'].map((word) => [word, 0] as const),
  ...['tomorrow', 'morgen', 'demain', 'mañana', 'domani'].map((word) => [word, 1] as const),
  ...[
    'day after tomorrow',
    'the day after tomorrow',
    'übermorgen',
    'après-demain',
    'pasado mañana',
    'dopodomani',
  ].map((word) => [word, 2] as const),
  ...['yesterday', 'gestern', 'hier', 'ayer', 'ieri'].map((word) => [word, -1] as const),
]);

const WEEKDAYS: readonly (readonly string[])[] = [
  ['sunday', 'sun', 'sonntag', 'dimanche', 'domingo', 'domenica'],
  ['monday', 'mon', 'montag', 'lundi', 'lunes', 'lunedì'],
  ['tuesday', 'tue', 'dienstag', 'mardi', 'martes', 'martedì'],
  ['wednesday', 'wed', 'mittwoch', 'mercredi', 'miércoles', 'mercoledì'],
  ['thursday', 'thu', 'donnerstag', 'jeudi', 'jueves', 'giovedì'],
  ['friday', 'fri', 'freitag', 'vendredi', 'viernes', 'venerdì'],
  ['saturday', 'sat', 'samstag', 'samedi', 'sábado', 'sabato'],
];

/**
 * A call's days and times in the form that the app takes, where it is certain what is meant: `tomorrow`, `Thu 2026-12-03`, `3.12.2026`, a
 * time without its zone. Refused otherwise, and where a step would lie in the past, unless its tool records what was, or end before it
 * begins. Pure.
 */
export function withDates(tool: Tool, params: Record<string, unknown>, moment: Moment): Dated {
  const dated = { ...params };
  for (const [name, schema] of Object.entries(tool.parameters.shape)) {
    const time = timeKindOf(schema as z.ZodType);
    const given = params[name];
    if (time === undefined || typeof given !== 'string' || given.trim() === '') continue;
    const read =
      time.kind === 'day' ? readDay(given, moment) : readInstant(given, dated, { name, moment });
    if (read === null) return { ok: false, problem: formProblem(name, given, { time, moment }) };
    if (!time.past && isPast(read, moment) && !laterEnds(tool, dated, { name, moment }))
      return {
        ok: false,
        problem: `${name} is in the past. Today is ${dayIn(moment.nowMs, moment.timeZone)}; name a day to come or leave the call.`,
      };
    dated[name] = read;
  }
  const { startTime, endTime } = dated;
  if (
    typeof startTime === 'string' &&
    typeof endTime === 'string' &&
    Date.parse(endTime) < Date.parse(startTime)
  )
    return { ok: false, problem: 'endTime is before startTime. Give a later endTime.' };
  return { ok: true, params: dated };
}

function formProblem(
  name: string,
  given: string,
  { time, moment }: { time: { kind: 'day' | 'instant' }; moment: Moment },
): string {
  const today = dayIn(moment.nowMs, moment.timeZone);
  const form =
    time.kind === 'day'
      ? `a day as YYYY-MM-DD, such as ${daysAfter(today, 1)}`
      : `a time in ISO 8601, such as ${localInstant(`${daysAfter(today, 1)}T09:00:00`, moment.timeZone)}`;
  return `It is not certain what ${name} means by '${given.slice(0, 40).replace(/[\n']/g, ' ')}'. Write ${form}.`;
}

/** YYYY-MM-DD; null where the day is not certain. */
function readDay(text: string, { nowMs, timeZone }: Moment): string | null {
  const today = dayIn(nowMs, timeZone);
  const words = text.trim().toLowerCase().replace(/\s+/g, ' ').replace(/[.!]$/, '');
  const relative = RELATIVE.get(words) ?? inDays(words);
  if (relative !== null) return daysAfter(today, relative);
  const weekday = WEEKDAYS.findIndex((names) => names.includes(words));
  if (weekday !== -1) {
    const ahead = (weekday - weekdayOf(today) + 7) % 7;
    // On a Friday, "Friday" may be today or in a week.
    return ahead === 0 ? null : daysAfter(today, ahead);
  }
  return writtenDay(words);
}

function inDays(words: string): number | null {
  const found = /^in (\d{1,3}) (?:days?|tagen|tage)$/.exec(words)?.[1];
  return found === undefined ? null : Number(found);
}

/** `2026-12-03`, also with its weekday before it or a time behind it; `2026/12/3`; `3.12.2026`, which is day and month in that order. */
function writtenDay(words: string): string | null {
  const iso = /^(?:[\p{L}]{2,10},? )?(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[t ].*)?$/u.exec(words);
  const dotted = /^(\d{1,2})\. ?(\d{1,2})\. ?(\d{4})$/.exec(words);
  const [year, month, day] =
    iso !== null
      ? [iso[1], iso[2], iso[3]]
      : dotted !== null
        ? [dotted[3], dotted[2], dotted[1]]
        : [];
  if (year === undefined || month === undefined || day === undefined) return null;
  const found = `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
  return isDay(found) ? found : null;
}

const ZONED = /(?:z|[+-]\d{2}:?\d{2})$/i;
const TIME = /(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?$/;

/** ISO 8601 with an offset; null where the instant is not certain. */
function readInstant(
  text: string,
  params: Record<string, unknown>,
  { name, moment }: { name: string; moment: Moment },
): string | null {
  const words = text.trim();
  if (/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/i.test(words) && ZONED.test(words))
    return isDay(words.slice(0, 10)) && !Number.isNaN(Date.parse(words)) ? words : null;
  const bare = words.replace(ZONED, '');
  const time = TIME.exec(bare);
  const dayText = (time === null ? bare : bare.slice(0, time.index))
    .replace(/(?<![\sT,])[\sT,]+$/i, '')
    .replace(/(?<!\s)\s+(?:at|um|à|a las|alle)$/i, '');
  // A time alone, as the end of an event, is one of the day on which it begins.
  const start =
    name === 'endTime' && typeof params['startTime'] === 'string'
      ? params['startTime'].slice(0, 10)
      : null;
  const day = dayText === '' ? start : readDay(dayText, moment);
  if (day === null) return null;
  if (time === null)
    return params['isAllDay'] === true ? localInstant(`${day}T00:00:00`, moment.timeZone) : null;
  const [, hour = '', minute = '', second = '00'] = time;
  if (Number(hour) > 23 || Number(minute) > 59) return null;
  return localInstant(`${day}T${hour.padStart(2, '0')}:${minute}:${second}`, moment.timeZone);
}

function isPast(read: string, { nowMs, timeZone }: Moment): boolean {
  return isDay(read) ? read < dayIn(nowMs, timeZone) : Date.parse(read) < nowMs;
}

/** An event that has begun is not past while its end is to come; one of today that lasts all day is not past either. */
function laterEnds(
  tool: Tool,
  params: Record<string, unknown>,
  { name, moment }: { name: string; moment: Moment },
): boolean {
  const { endTime, isAllDay } = params;
  if (isAllDay === true && typeof params[name] === 'string')
    return (
      (readDay(params[name].slice(0, 10), moment) ?? '') >= dayIn(moment.nowMs, moment.timeZone)
    );
  if (name !== 'startTime' || !('endTime' in tool.parameters.shape) || typeof endTime !== 'string')
    return false;
  const end = readInstant(endTime, params, { name: 'endTime', moment });
  return end !== null && Date.parse(end) >= moment.nowMs;
}
