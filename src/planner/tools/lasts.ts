import {
  datePart,
  id,
  number,
  oneOf,
  optionalText,
  part,
  quote,
  text,
  tool,
  toolsOf,
} from './tool.ts';

const CATEGORIES = [
  'culinary',
  'adventure',
  'travel',
  'people',
  'career',
  'creative',
  'nature',
  'culture',
  'health',
  'tech',
  'other',
] as const;

export const lasts = toolsOf(
  'lasts',
  ['last time', 'farewell', 'letztes mal', 'abschied'],
  [
    tool({
      name: 'create_last',
      description: 'Write down something that the person did, or may have done, for the last time.',
      parameters: {
        title: text(),
        category: oneOf(CATEGORIES).optional(),
        status: oneOf(['suspected', 'confirmed']).optional(),
        date: optionalText('YYYY-MM-DD.'),
        confidence: oneOf(['probably', 'likely', 'certain']).optional(),
        meaning: optionalText(),
        note: optionalText(),
      },
      summarise: ({ title, date }) =>
        `Write down last time ${quote(title)}${datePart(' on ', date)}`,
    }),
    tool({
      name: 'confirm_last',
      description: 'Confirm that it was the last time. Only what the person said themselves.',
      parameters: {
        lastId: id('the entry'),
        date: optionalText('YYYY-MM-DD.'),
        meaning: optionalText(),
        whatIKnewThen: optionalText(),
        whatIKnowNow: optionalText(),
        tenderness: number('How tender it feels, on the scale of the data.').optional(),
        wouldReclaim: oneOf(['no', 'maybe', 'yes']).optional(),
      },
      summarise: ({ lastId, date }) =>
        `Confirm last time ${quote(lastId)}${datePart(' on ', date)}`,
    }),
    tool({
      name: 'reclaim_last',
      description: 'Record that the person did it again after all.',
      parameters: { lastId: id('the entry'), reclaimedNote: optionalText() },
      summarise: ({ lastId, reclaimedNote }) =>
        `Reclaim last time ${quote(lastId)}${part(': ', reclaimedNote)}`,
    }),
  ],
);
