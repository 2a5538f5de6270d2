import type { ModuleFormat } from './module-format.ts';

/** Where an event says when it begins and ends; `startDate` and `endDate` come from its time block. */
export const START = ['startDate', 'startTime', 'start'];
export const END = ['endDate', 'endTime', 'end'];

/** Events of the calendar (calendar/events). */
export const calendar: ModuleFormat = {
  fallbackTitle: 'Event',
  titleFields: ['title'],
  main: [
    { label: 'Event', fields: ['title'] },
    { label: 'Description', fields: ['description'] },
    { label: 'Location', fields: ['location'] },
  ],
  details: [
    { label: 'Start', fields: START },
    { label: 'End', fields: END },
    { label: 'All day', fields: ['isAllDay', 'allDay'] },
    { label: 'Time zone', fields: ['timezone'] },
    { label: 'Repeats', fields: ['recurrenceRule'] },
  ],
};
