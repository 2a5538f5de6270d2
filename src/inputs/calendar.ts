import type { ModuleFormat } from './module-format.ts';

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
    { label: 'Start', fields: ['startTime', 'startDate', 'start'] },
    { label: 'End', fields: ['endTime', 'endDate', 'end'] },
    { label: 'All day', fields: ['isAllDay', 'allDay'] },
  ],
};
