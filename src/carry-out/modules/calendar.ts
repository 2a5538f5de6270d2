import { names } from '../names.ts';
import { findZone } from '../../missions/wall-clock.ts';
import { bad, isDay } from '../params.ts';
import { needAll } from '../records.ts';
import type { ModuleTools, Step } from '../step.ts';
import { CALENDARS, creates, EVENTS } from '../tables.ts';
import { CannotCarryOut, type ReadRecord } from '../types.ts';
import { quoted } from '../words.ts';
import { CREATES_BLOCK, insertBlock } from './time-blocks.ts';

const CREATES = creates(
  EVENTS,
  names('calendarId timeBlockId title description location color', 'reminders'),
);

export const calendar: ModuleTools = {
  module: 'calendar',
  appId: 'calendar',
  tools: {
    create_event: {
      effect: 'create',
      writes: [CREATES, CREATES_BLOCK],
      needs: () => [needAll(CALENDARS)],
      carryOut: createEvent,
    },
  },
};

function createEvent(step: Step): string {
  const { params } = step;
  const title = params.text('title');
  const allDay = params.optionalBoolean('isAllDay') ?? false;
  const startDate = moment(step, 'startTime');
  const endDate = moment(step, 'endTime');
  if (Date.parse(endDate) < Date.parse(startDate))
    throw bad('endTime must not be before startTime.');
  const description = params.optionalText('description');
  const location = params.optionalText('location');
  step.insert(CREATES, {
    calendarId: calendarOf(step).recordId,
    timeBlockId: step.idOf(1),
    title,
    description,
    location,
    color: null,
    reminders: null,
  });
  insertBlock(step, {
    startDate,
    endDate,
    allDay,
    kind: 'scheduled',
    type: 'event',
    title,
    description,
    sourceModule: 'calendar',
    sourceId: step.idOf(0),
  });
  return `Created the event ${quoted(title)} from ${startDate} to ${endDate}.`;
}

function calendarOf(step: Step): ReadRecord {
  const all = step.records.live(CALENDARS);
  const found = all.find(({ data }) => data['isDefault'] === true) ?? all[0];
  if (found === undefined)
    throw new CannotCarryOut('NOT_POSSIBLE', 'There is no calendar to put the event into.');
  return found;
}

/**
 * The app compares times as text, so they are instants with Z. A time without a zone is the
 * person's.
 */
function moment(step: Step, name: string): string {
  const text = step.params.trimmed(name);
  if (
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/.test(text) &&
    Number.isFinite(Date.parse(text))
  )
    return text;
  const hasOffset = /(?:Z|[+-]\d{2}:?\d{2})$/i.test(text);
  const wall = isDay(text) ? `${text}T00:00:00` : text;
  const isDateTime = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(wall);
  const ms = isDateTime ? Date.parse(hasOffset ? wall : `${wall.replace(' ', 'T')}Z`) : Number.NaN;
  if (Number.isNaN(ms)) throw bad(`${name} wants to be a date and time, as 2026-12-01T10:00:00Z.`);
  return new Date(hasOffset ? ms : instantOfWall(ms, step.timeZone)).toISOString();
}

/**
 * The instant at which clocks of the zone show a wall time; of a gap the moment after it, of a
 * repeated time the first.
 */
function instantOfWall(wallMs: number, timeZone: string): number {
  const zone = findZone(timeZone);
  if (zone === null) return wallMs;
  const DAY_MS = 86_400_000;
  const before = wallMs - zone.offsetAt(wallMs - DAY_MS);
  const after = wallMs - zone.offsetAt(wallMs + DAY_MS);
  const fits = [before, after].filter((ms) => ms + zone.offsetAt(ms) === wallMs);
  return fits.length > 0 ? Math.min(...fits) : before;
}
