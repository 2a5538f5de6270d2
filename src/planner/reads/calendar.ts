import { END, START } from '../../inputs/calendar.ts';
import { id, number, optionalText } from '../tools/tool.ts';
import { readTool } from './read-tool.ts';
import {
  dayAt,
  dayOf,
  field,
  isSet,
  listOf,
  NOT_SHARED,
  type ReadRecord,
  withId,
} from './record.ts';

export const eventReads = [
  readTool({
    table: 'events',
    name: 'get_todays_events',
    description: 'List the events of today among those that are shared with this mission.',
    parameters: {},
    answer: (_nothing, records, { nowMs, timeZone }) => {
      const today = dayAt(nowMs, timeZone);
      return listOf(
        inOrder(records.filter((event) => touches(event, { from: today, to: today, timeZone }))),
        undefined,
      );
    },
  }),
  readTool({
    table: 'events',
    name: 'list_events',
    description:
      'List the events that are shared with this mission, from today on unless told otherwise.',
    parameters: {
      from: optionalText('First day, YYYY-MM-DD.'),
      to: optionalText('Last day, YYYY-MM-DD.'),
      limit: number().optional(),
    },
    answer: ({ from, to, limit }, records, { nowMs, timeZone }) => {
      const days = {
        from: dayOf(from, timeZone) ?? dayAt(nowMs, timeZone),
        to: dayOf(to, timeZone),
        timeZone,
      };
      return listOf(inOrder(records.filter((event) => touches(event, days))), limit);
    },
  }),
  readTool({
    table: 'events',
    name: 'get_event',
    description: 'Read one of the events that are shared with this mission.',
    parameters: { eventId: id('the event') },
    answer: ({ eventId }, records) => {
      const event = withId(records, eventId);
      return event === undefined ? NOT_SHARED : { items: [shown(event, 6_000)] };
    },
  }),
];

function inOrder(events: readonly ReadRecord[]): Record<string, unknown>[] {
  const started = events.map((event) => ({ event, start: field(event, START) ?? '' }));
  started.sort((a, b) => (Date.parse(a.start) || 0) - (Date.parse(b.start) || 0));
  return started.map(({ event }) => shown(event, 300));
}

function shown(event: ReadRecord, most: number): Record<string, unknown> {
  return {
    id: event.recordId,
    title: field(event, ['title']),
    start: field(event, START),
    end: field(event, END),
    allDay: isSet(event, ['isAllDay', 'allDay']),
    repeats: field(event, ['recurrenceRule']),
    location: field(event, ['location']),
    description: field(event, ['description'], most),
  };
}

/** Whether any day of the event lies within the days; one without a readable start lies nowhere. */
function touches(
  event: ReadRecord,
  days: { from: string; to: string | undefined; timeZone: string },
): boolean {
  const first = dayOf(field(event, START), days.timeZone);
  if (first === undefined) return false;
  const last = dayOf(field(event, END), days.timeZone) ?? first;
  return last >= days.from && (days.to === undefined || first <= days.to);
}
