import { names } from '../names.ts';
import type { ModuleTools, Step } from '../step.ts';
import { creates, MOODS } from '../tables.ts';

const CREATES = creates(
  MOODS,
  names('date time level emotion secondaryEmotions activity withWhom', 'notes tags'),
);
const EMOTIONS = names(
  'happy calm energized grateful excited loved hopeful',
  'neutral bored tired sad anxious angry stressed',
  'frustrated overwhelmed',
);
const ACTIVITIES = names(
  'work exercise social alone commute eating resting',
  'creative outdoors screen chores other',
);

export const mood: ModuleTools = {
  module: 'mood',
  appId: 'mood',
  tools: { log_mood: { effect: 'create', writes: [CREATES], carryOut: logMood } },
};

function logMood(step: Step): string {
  const { params } = step;
  const level = params.numberIn('level', 1, 10);
  const emotion = params.oneOf('emotion', EMOTIONS);
  const { day, time } = step.local;
  step.insert(CREATES, {
    date: day,
    time,
    level,
    emotion,
    secondaryEmotions: [],
    activity: params.optionalOneOf('activity', ACTIVITIES),
    withWhom: '',
    notes: params.optionalText('notes') ?? '',
    tags: [],
  });
  return `Recorded the mood ${emotion}, level ${level}, at ${day} ${time}.`;
}
