import { id, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

export const habits = toolsOf(
  'habits',
  ['habit', 'routine', 'streak', 'gewohnheit'],
  [
    tool({
      name: 'create_habit',
      description:
        'Start tracking a habit: something small that the person wants to do again and again.',
      parameters: {
        title: text('The habit, short.'),
        icon: text('Name of an icon, or one emoji.'),
        color: text('CSS hex colour, e.g. #22c55e.'),
      },
      summarise: ({ title }) => `Start habit ${quote(title)}`,
    }),
    tool({
      name: 'log_habit',
      description: 'Record that a habit was done. Only if the data shows that it was.',
      parameters: { habitId: id('the habit'), note: optionalText() },
      summarise: ({ habitId, note }) => `Record habit ${quote(habitId)} as done${part(': ', note)}`,
    }),
  ],
);
