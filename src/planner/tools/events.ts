import { id, optionalText, part, quote, tool, toolsOf } from './tool.ts';

export const events = toolsOf(
  'events',
  ['event', 'concert', 'exhibition', 'festival', 'veranstaltung', 'konzert', 'ausstellung'],
  [
    tool({
      name: 'suggest_event',
      description:
        'Suggest a discovered event to the person. Only one whose id stands in the data.',
      parameters: {
        discovered_event_id: id('the discovered event'),
        reason: optionalText('Why it suits the person.'),
      },
      summarise: ({ discovered_event_id: eventId, reason }) =>
        `Suggest event ${quote(eventId)}${part(': ', reason)}`,
    }),
  ],
);
