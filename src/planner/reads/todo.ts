import { subtasksOf } from '../../inputs/tasks.ts';
import { id, number, oneOf } from '../tools/tool.ts';
import { readTool } from './read-tool.ts';
import {
  dayAt,
  dayOf,
  field,
  isSet,
  listOf,
  NOT_SHARED,
  type ReadContext,
  type ReadRecord,
  withId,
} from './record.ts';

const MOST_SUBTASKS = 50;

type Filter = 'open' | 'completed' | 'overdue' | 'today' | 'all';

export const taskReads = [
  readTool({
    table: 'tasks',
    name: 'list_tasks',
    description:
      'List the tasks that are shared with this mission; open ones unless told otherwise.',
    parameters: {
      filter: oneOf(['open', 'completed', 'overdue', 'today', 'all']).optional(),
      limit: number().optional(),
    },
    answer: ({ filter = 'open', limit }, records, context) =>
      listOf(
        records.filter((task) => fits(task, filter, context)).map((task) => shown(task, 300)),
        limit,
      ),
  }),
  readTool({
    table: 'tasks',
    name: 'get_task',
    description: 'Read one of the tasks that are shared with this mission.',
    parameters: { taskId: id('the task') },
    answer: ({ taskId }, records) => {
      const task = withId(records, taskId);
      return task === undefined ? NOT_SHARED : { items: [shown(task, 6_000)] };
    },
  }),
  readTool({
    table: 'tasks',
    name: 'get_task_stats',
    description:
      'Count the tasks that are shared with this mission: open, completed, overdue, due today.',
    parameters: {},
    answer: (_nothing, records, context) => {
      const count = (filter: Filter): number =>
        records.filter((task) => fits(task, filter, context)).length;
      const counts = {
        open: count('open'),
        completed: count('completed'),
        overdue: count('overdue'),
        today: count('today'),
      };
      return { ...counts, note: 'Only of the tasks that are shared with this mission.' };
    },
  }),
];

function shown(task: ReadRecord, most: number): Record<string, unknown> {
  return {
    id: task.recordId,
    title: field(task, ['title']),
    due: field(task, ['dueDate']),
    priority: field(task, ['priority']),
    completed: isCompleted(task),
    description: field(task, ['description'], most),
    subtasks: subtasksOf(task.record['subtasks']).slice(0, MOST_SUBTASKS),
  };
}

function fits(task: ReadRecord, filter: Filter, { nowMs, timeZone }: ReadContext): boolean {
  const completed = isCompleted(task);
  if (filter === 'all') return true;
  if (filter === 'open' || filter === 'completed') return completed === (filter === 'completed');
  const due = dayOf(field(task, ['dueDate']), timeZone);
  if (completed || due === undefined) return false;
  const today = dayAt(nowMs, timeZone);
  return filter === 'today' ? due === today : due < today;
}

function isCompleted(task: ReadRecord): boolean {
  const status = field(task, ['status'])?.toLowerCase();
  return isSet(task, ['isCompleted', 'completed']) || status === 'completed' || status === 'done';
}
