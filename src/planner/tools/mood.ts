import { number, oneOf, optionalText, part, tool, toolsOf } from './tool.ts';

const EMOTIONS = [
  'happy',
  'calm',
  'energized',
  'grateful',
  'excited',
  'loved',
  'hopeful',
  'neutral',
  'bored',
  'tired',
  'sad',
  'anxious',
  'angry',
  'stressed',
  'frustrated',
  'overwhelmed',
] as const;

const ACTIVITIES = [
  'work',
  'exercise',
  'social',
  'alone',
  'commute',
  'eating',
  'resting',
  'creative',
  'outdoors',
  'screen',
  'chores',
  'other',
] as const;

export const mood = toolsOf(
  'mood',
  ['mood', 'emotion', 'feeling', 'stimmung', 'gefühl', 'laune'],
  [
    tool({
      name: 'log_mood',
      description: 'Record how the person feels. Only what they said themselves.',
      parameters: {
        level: number('How well they feel; a higher number is better, on the scale of the data.'),
        emotion: oneOf(EMOTIONS),
        activity: oneOf(ACTIVITIES).optional(),
        notes: optionalText(),
      },
      summarise: ({ level, emotion, activity }) =>
        `Record mood: ${emotion}, level ${level}${part(', during ', activity)}`,
    }),
  ],
);
