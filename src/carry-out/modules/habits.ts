import { names } from '../names.ts';
import { needAll, needOne, numberOf, textOf } from '../records.ts';
import type { ModuleTools, Step } from '../step.ts';
import { creates, HABIT_LOGS, HABITS } from '../tables.ts';
import { named, quoted } from '../words.ts';
import { CREATES_BLOCK, insertBlock } from './time-blocks.ts';

const CREATES = creates(
  HABITS,
  names('title icon color targetPerDay defaultDuration order', 'isArchived'),
);
const LOGS = creates(HABIT_LOGS, ['habitId', 'timeBlockId', 'note']);

export const habits: ModuleTools = {
  module: 'habits',
  appId: 'habits',
  tools: {
    create_habit: {
      effect: 'create',
      writes: [CREATES],
      needs: () => [needAll(HABITS)],
      carryOut: createHabit,
    },
    log_habit: {
      effect: 'create',
      writes: [LOGS, CREATES_BLOCK],
      needs: (params) => [needOne(HABITS, params.text('habitId'))],
      carryOut: logHabit,
    },
  },
};

function createHabit(step: Step): string {
  const { params } = step;
  const title = params.text('title');
  const icon = params.textOrNull('icon') ?? 'star';
  const color = params.textOrNull('color') ?? '#6366f1';
  step.insert(CREATES, {
    title,
    // The app's pictures have names; an emoji would show nothing.
    icon: /^[ -~]+$/.test(icon) ? icon : 'star',
    color,
    targetPerDay: null,
    defaultDuration: null,
    order: step.records.live(HABITS).length,
    isArchived: false,
  });
  return `Started the habit ${quoted(title)}.`;
}

function logHabit(step: Step): string {
  const { params } = step;
  const habit = step.records.one(HABITS, params.text('habitId'), 'habit');
  const seconds = numberOf(habit, 'defaultDuration');
  const end = seconds ? new Date(Date.parse(step.now) + seconds * 1000).toISOString() : null;
  step.insert(
    LOGS,
    { habitId: habit.recordId, timeBlockId: step.idOf(1), note: params.textOrNull('note') },
    habit,
  );
  insertBlock(
    step,
    {
      startDate: step.now,
      endDate: end,
      kind: 'logged',
      type: 'habit',
      sourceModule: 'habits',
      sourceId: step.idOf(0),
      title: textOf(habit, 'title') ?? 'Habit',
      color: textOf(habit, 'color'),
      icon: textOf(habit, 'icon'),
    },
    habit,
  );
  return `Recorded the habit ${named(habit, 'title')} as done.`;
}
