import { id, number, oneOf, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

const CATEGORIES = [
  'home',
  'work',
  'food',
  'shopping',
  'sport',
  'culture',
  'nature',
  'transport',
  'health',
  'education',
  'nightlife',
  'other',
] as const;

export const places = toolsOf(
  'places',
  ['place', 'location', 'restaurant', 'ort', 'orte'],
  [
    tool({
      name: 'create_place',
      description: 'Save a place. Only with coordinates that stand in the data; never guess them.',
      parameters: {
        name: text(),
        latitude: number('Degrees, -90 to 90.'),
        longitude: number('Degrees, -180 to 180.'),
        category: oneOf(CATEGORIES).optional(),
        address: optionalText(),
      },
      summarise: ({ name, address }) => `Save place ${quote(name)}${part(', ', address)}`,
    }),
    tool({
      name: 'visit_place',
      description: 'Record that the person was at a saved place.',
      parameters: { placeId: id('the place') },
      summarise: ({ placeId }) => `Record a visit to place ${quote(placeId)}`,
    }),
  ],
);
