import { type Cadence, parseCadence } from '../missions/cadence.ts';
import { CliError, EXIT } from './cli-error.ts';

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MINUTES: Readonly<Record<string, number>> = { m: 1, h: 60, d: 1_440 };

/**
 * A cadence as a person types it: 'manual', 'every 90m', 'daily 09:00', 'mon 08:30', five fields of
 * cron, '@daily'. Throws CliError.
 */
export function parseCadenceWords(words: string, timeZone: string | undefined): Cadence {
  const zone = timeZone === undefined ? {} : { timeZone };
  const parsed = parseCadence({ ...cadenceOf(words.trim().toLowerCase(), words.trim()), ...zone });
  if (parsed.ok) return parsed.cadence;
  throw new CliError(
    EXIT.usage,
    `--cadence wants 'manual', 'every 90m', 'every 6h', 'daily 09:00', 'mon 08:30' or five fields of cron, and --zone an IANA time zone.`,
  );
}

function cadenceOf(words: string, cron: string): Record<string, unknown> {
  if (words === 'manual') return { kind: 'manual' };
  const [, count, unit] = /^every (\d{1,7}) ?([mhd])$/.exec(words) ?? [];
  if (unit !== undefined)
    return { kind: 'interval', everyMinutes: Number(count) * (MINUTES[unit] ?? 0) };
  const [, day = '', hour, minute] = /^([a-z]+) (\d{1,2}):(\d{2})$/.exec(words) ?? [];
  const time = { atHour: Number(hour), atMinute: Number(minute) };
  if (day === 'daily') return { kind: 'daily', ...time };
  const dayOfWeek = DAYS.indexOf(day.slice(0, 3));
  if (hour !== undefined && dayOfWeek >= 0) return { kind: 'weekly', dayOfWeek, ...time };
  return { kind: 'cron', expression: cron };
}
