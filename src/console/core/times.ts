import { preferences } from './words.ts';

const DAY_MS = 86_400_000;

/** The zone that times are shown in: the one of the mission, the preferred one, or this device's. */
export function zoneOf(zone?: string | null): string {
  return zone ?? preferences.value.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** `Fri 17:00 Europe/Berlin`; with the date where it is more than six days away. */
export function when(at: string | number, zone?: string | null): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return '';
  const timeZone = zoneOf(zone);
  const { language } = preferences.value;
  const isNear = Math.abs(date.getTime() - Date.now()) < 6 * DAY_MS;
  const day = isNear
    ? ({ weekday: 'short' } as const)
    : ({ day: 'numeric', month: 'short', year: 'numeric' } as const);
  const format = new Intl.DateTimeFormat(language, {
    ...day,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone,
  });
  return `${format.format(date).replace(',', '')} ${timeZone}`;
}

/** `14 s`, `3 min 5 s`. */
export function span(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1_000);
  if (milliseconds < 1_000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

export function number(value: number): string {
  return new Intl.NumberFormat(preferences.value.language).format(value);
}

/** The name of a day of the week; 0 is Sunday. */
export function weekday(day: number): string {
  const date = new Date(Date.UTC(2_026, 1, 1 + day));
  return new Intl.DateTimeFormat(preferences.value.language, {
    weekday: 'long',
    timeZone: 'UTC',
  }).format(date);
}

export function clock(hour: number, minute: number): string {
  return `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
}
