import { plainText, valueAt } from '../../inputs/readable-record.ts';
import { id, oneOf } from '../tools/tool.ts';
import { readTool } from './read-tool.ts';
import { field, listOf, NOT_SHARED, type ReadRecord, withId } from './record.ts';

export const goalReads = [
  readTool({
    table: 'companionGoals',
    name: 'list_goals',
    description: "List the person's goals; active ones unless told otherwise.",
    parameters: { filter: oneOf(['active', 'paused', 'completed', 'all']).optional() },
    answer: ({ filter = 'active' }, records) =>
      listOf(
        records.filter((goal) => filter === 'all' || statusOf(goal) === filter).map(shown),
        undefined,
      ),
  }),
  readTool({
    table: 'companionGoals',
    name: 'get_goal_progress',
    description: 'Read how far one goal has come.',
    parameters: { goalId: id('the goal') },
    answer: ({ goalId }, records) => {
      const goal = withId(records, goalId);
      return goal === undefined ? NOT_SHARED : { items: [{ ...shown(goal), ...progressOf(goal) }] };
    },
  }),
];

function shown(goal: ReadRecord): Record<string, unknown> {
  return {
    id: goal.recordId,
    title: field(goal, ['title', 'name']),
    status: statusOf(goal),
    current: field(goal, ['currentValue']),
    target: field(goal, ['target.value', 'targetValue']),
    unit: field(goal, ['target.unit', 'unit']),
    period: field(goal, ['target.period', 'period']),
    comparison: field(goal, ['target.comparison', 'comparison']),
    description: field(goal, ['description']),
  };
}

function statusOf(goal: ReadRecord): string {
  return (field(goal, ['status', 'state']) ?? 'active').toLowerCase();
}

/** Computed only where both numbers are there: nothing is made up. */
function progressOf(goal: ReadRecord): { percent?: number } {
  const [current, target] = [['currentValue'], ['target.value', 'targetValue']].map((names) =>
    names.map((name) => plainText(valueAt(goal.record, name))).find((text) => text !== ''),
  );
  if (current === undefined || target === undefined) return {};
  const percent = (Number(current) / Number(target)) * 100;
  return Number.isFinite(percent) ? { percent: Math.round(percent) } : {};
}
