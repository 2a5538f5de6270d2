import { datePart, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

import { z } from 'zod';

export const calendar = toolsOf(
  'calendar',
  ['calendar', 'appointment', 'meeting', 'schedule', 'kalender', 'termin', 'treffen'],
  [
    tool({
      name: 'create_event',
      description:
        'Put an event with a start and an end into the calendar. For things to do without a fixed time create a task.',
      parameters: {
        title: text('What it is, short.'),
        startTime: text('ISO 8601 with time zone, e.g. 2027-01-04T09:00:00Z.'),
        endTime: text('ISO 8601, after startTime.'),
        isAllDay: z.boolean().optional(),
        location: optionalText(),
        description: optionalText(),
      },
      summarise: ({ title, startTime, endTime, isAllDay, location }) =>
        `Add event ${quote(title)}${datePart(isAllDay === true ? ', all day ' : ', from ', startTime)}${datePart(' to ', endTime)}${part(' at ', location)}`,
    }),
  ],
);
