import { describe, expect, it } from 'vitest';
import { formatInput, isBlockOf, timeBlockId, withTimes } from '../../../src/inputs/index.ts';
import { answerRead } from '../../../src/planner/reads/index.ts';

/** Records as the app's stores write them (opened: the app encrypts their words). */
const EVENT = {
  id: 'e1',
  calendarId: 'cal1',
  timeBlockId: 'b1',
  title: 'Dentist',
  location: 'Main street',
};
const BLOCK = {
  id: 'b1',
  startDate: '2026-12-01T10:00:00.000Z',
  endDate: '2026-12-01T11:00:00.000Z',
  allDay: false,
  timezone: null,
  recurrenceRule: null,
  kind: 'scheduled',
  type: 'event',
  sourceModule: 'calendar',
  sourceId: 'e1',
  title: 'enc:1:secret',
  description: 'A word of its own',
};

const textOf = (module: string, record: Record<string, unknown>): string => {
  const reading = formatInput(module, record);
  return reading.ok ? reading.text : reading.reason;
};

describe('an event', () => {
  it('has the times of its block, and no word of it', () => {
    expect(timeBlockId(EVENT)).toBe('b1');
    expect(isBlockOf(BLOCK, 'e1')).toBe(true);
    expect(textOf('calendar', withTimes(EVENT, BLOCK))).toBe(
      [
        'Id: e1',
        'Event: Dentist',
        'Location: Main street',
        'Start: 2026-12-01T10:00:00.000Z',
        'End: 2026-12-01T11:00:00.000Z',
        'All day: false',
      ].join('\n'),
    );
  });

  it('is listed on its day', () => {
    const records = [{ tableName: 'events', recordId: 'e1', record: withTimes(EVENT, BLOCK) }];
    const context = {
      nowMs: Date.parse('2026-12-01T08:00:00Z'),
      timeZone: 'Europe/Berlin',
      records,
    };
    expect(answerRead('list_events', {}, context)).toMatchObject({
      items: [{ id: 'e1', start: '2026-12-01T10:00:00.000Z', end: '2026-12-01T11:00:00.000Z' }],
    });
    const bare = [{ tableName: 'events', recordId: 'e1', record: EVENT }];
    expect(answerRead('list_events', {}, { ...context, records: bare })).toMatchObject({
      items: [],
    });
  });

  it('keeps its own times where the block has none that can be read', () => {
    const own = { ...EVENT, startTime: '2026-12-02T09:00:00Z' };
    const sealed = { ...BLOCK, startDate: 'enc:1:x', endDate: null };
    expect(withTimes(own, sealed)).toEqual({ ...own, allDay: false });
    expect(timeBlockId({ timeBlockId: 7 })).toBeNull();
    expect(isBlockOf({ ...BLOCK, sourceModule: 'habits' }, 'e1')).toBe(false);
  });
});

describe('the profile', () => {
  it('of the app is one record of sections and is readable', () => {
    const record = {
      id: 'singleton',
      about: { bio: 'Nurse', location: 'Ulm', languages: ['de', 'en'] },
      interests: ['gardening', 'bees'],
      routine: { wakeUp: '06:00', workDays: [1, 2, 3] },
      nutrition: { diet: 'vegetarian', allergies: [] },
      leisure: {},
      goals: ['sleep more'],
      social: { workStyle: 'Team' },
      freeform: 'Call me Sam.',
      interview: { answeredIds: ['q1'], skippedIds: [] },
    };
    expect(textOf('profile', record)).toBe(
      [
        'Id: singleton',
        'About: bio: Nurse; location: Ulm; languages: de, en',
        'Interests: gardening, bees',
        'Goals: sleep more',
        'Routine: wakeUp: 06:00; workDays: 1, 2, 3',
        'Nutrition: diet: vegetarian',
        'Social: workStyle: Team',
        'Content: Call me Sam.',
      ].join('\n'),
    );
  });

  it('that is still ciphertext is encrypted, not missing', () => {
    expect(textOf('profile', { id: 'singleton', about: 'enc:1:x', interests: 'enc:1:y' })).toBe(
      'encrypted',
    );
  });
});

describe('a task', () => {
  const task = {
    id: 't1',
    title: 'Move house',
    subtasks: [
      { id: 's2', title: 'Boxes', isCompleted: false, order: 2 },
      { id: 's1', title: 'Call the movers', isCompleted: true, order: 1 },
      { id: 's3', title: 'enc:1:x', order: 3 },
      null,
    ],
  };

  it('shows its subtasks, in inputs and in reads', () => {
    expect(textOf('tasks', task)).toContain('Subtasks: [x] Call the movers; [ ] Boxes');
    const records = [{ tableName: 'tasks', recordId: 't1', record: task }];
    expect(
      answerRead('get_task', { taskId: 't1' }, { records, nowMs: 0, timeZone: 'UTC' }),
    ).toMatchObject({
      items: [
        {
          subtasks: [
            { title: 'Call the movers', completed: true },
            { title: 'Boxes', completed: false },
          ],
        },
      ],
    });
  });
});
