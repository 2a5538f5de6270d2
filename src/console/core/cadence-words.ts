import { isRecord } from '../../values/fields.ts';
import type { Words } from '../words/en.ts';
import type { Mission } from './missions.ts';
import { clock, weekday } from './times.ts';

/** The zone that a mission's times are meant in; null where nobody says. */
export function zoneOfMission({ timeZone, cadence }: Mission): string | null {
  if (timeZone !== undefined) return timeZone;
  return isRecord(cadence) && typeof cadence['timeZone'] === 'string' ? cadence['timeZone'] : null;
}

/** `Fridays at 17:00`: a cadence as a person says it. */
export function cadenceWords(words: Words, cadence: unknown): string {
  if (!isRecord(cadence)) return words.cadence.invalid;
  const time = clock(Number(cadence['atHour'] ?? 0), Number(cadence['atMinute'] ?? 0));
  switch (cadence['kind']) {
    case 'manual':
      return words.cadence.manual;
    case 'interval':
      return everyWords(words, Number(cadence['everyMinutes']));
    case 'daily':
      return words.cadence.daily(time);
    case 'weekly':
      return words.cadence.weekly(weekday(Number(cadence['dayOfWeek'])), time);
    case 'cron':
      return words.cadence.cron(String(cadence['expression']));
    default:
      return words.cadence.invalid;
  }
}

function everyWords(words: Words, minutes: number): string {
  if (minutes % 1_440 === 0) return words.cadence.days(minutes / 1_440);
  if (minutes % 60 === 0) return words.cadence.hours(minutes / 60);
  return words.cadence.minutes(minutes);
}
