import { datePart, id, number, oneOf, optionalText, quote, text, tool, toolsOf } from './tool.ts';

const SOURCES = [
  'gut',
  'tarot',
  'horoscope',
  'fortune-cookie',
  'iching',
  'dream',
  'person',
  'media',
  'natural',
  'other',
] as const;

export const augur = toolsOf(
  'augur',
  ['omen', 'sign', 'fortune', 'hunch', 'prediction', 'dream', 'vorzeichen', 'ahnung', 'traum'],
  [
    tool({
      name: 'capture_sign',
      description:
        'Write down an omen, a fortune or a hunch of the person, to see later whether it came true.',
      parameters: {
        kind: oneOf(['omen', 'fortune', 'hunch']),
        source: text('Where it came from, in words.'),
        claim: text('What it says will happen.'),
        sourceCategory: oneOf(SOURCES).optional(),
        vibe: oneOf(['good', 'bad', 'mysterious']).optional(),
        feltMeaning: optionalText(),
        expectedOutcome: optionalText(),
        expectedBy: optionalText('YYYY-MM-DD.'),
        probability: number('How likely the person holds it, 0 to 1.').optional(),
        tags: optionalText('Separated by commas.'),
      },
      summarise: ({ kind, claim, expectedBy }) =>
        `Write down ${kind} ${quote(claim)}${datePart(', expected by ', expectedBy)}`,
    }),
    tool({
      name: 'resolve_sign',
      description: 'Record whether a sign came true. Only if the data shows it.',
      parameters: {
        entryId: id('the sign'),
        outcome: oneOf(['fulfilled', 'partly', 'not-fulfilled']),
        note: optionalText(),
      },
      summarise: ({ entryId, outcome }) =>
        `Record sign ${quote(entryId)} as ${outcome.replace('-', ' ')}`,
    }),
  ],
);
