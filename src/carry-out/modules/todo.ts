import { names } from '../names.ts';
import { needAll, needOne, openedText } from '../records.ts';
import type { ModuleTools, Step } from '../step.ts';
import { changes, creates, TASKS } from '../tables.ts';
import { CannotCarryOut, type ReadRecord } from '../types.ts';
import { named, quoted } from '../words.ts';

const CREATES = creates(
  TASKS,
  names(
    'title description priority isCompleted dueDate',
    'scheduledBlockId estimatedDuration order',
  ),
);
const COMPLETES = changes(TASKS, ['isCompleted', 'completedAt']);

/** A plan may write 20 rows a step. */
const MOST_TASKS = 20;

export const todo: ModuleTools = {
  module: 'todo',
  appId: 'todo',
  tools: {
    create_task: {
      effect: 'create',
      writes: [CREATES],
      needs: () => [needAll(TASKS)],
      carryOut: createTask,
    },
    complete_task: {
      effect: 'change',
      writes: [COMPLETES],
      needs: (params) => [needOne(TASKS, params.text('taskId'))],
      carryOut: completeTask,
    },
    complete_tasks_by_title: {
      effect: 'change',
      writes: [COMPLETES],
      needs: () => [needAll(TASKS)],
      carryOut: completeByTitle,
    },
  },
};

function createTask(step: Step): string {
  const { params } = step;
  const title = params.text('title');
  const dueDate = params.optionalDay('dueDate');
  step.insert(CREATES, {
    title,
    description: params.optionalText('description') ?? undefined,
    priority: params.optionalOneOf('priority', ['low', 'medium', 'high', 'urgent']) ?? 'medium',
    isCompleted: false,
    dueDate,
    scheduledBlockId: null,
    estimatedDuration: null,
    // The dashboard drops a task without one.
    order: step.records.live(TASKS).length,
  });
  return `Created the task ${quoted(title)}${dueDate === null ? '' : `, due ${dueDate}`}.`;
}

function completeTask(step: Step): string {
  const task = step.records.one(TASKS, step.params.text('taskId'), 'task');
  if (task.data['isCompleted'] === true)
    throw new CannotCarryOut('NOT_POSSIBLE', `The task ${named(task, 'title')} is done already.`);
  complete(step, task);
  return `Marked the task ${named(task, 'title')} as done.`;
}

function completeByTitle(step: Step): string {
  const wanted = step.params.trimmed('titleMatch').toLowerCase();
  const open = step.records.live(TASKS).filter((task) => task.data['isCompleted'] !== true);
  const matching = open.filter((task) => openedText(task, 'title').toLowerCase().includes(wanted));
  if (matching.length === 0)
    throw new CannotCarryOut('NOT_POSSIBLE', `No open task has ${quoted(wanted)} in its title.`);
  if (matching.length > MOST_TASKS)
    throw new CannotCarryOut(
      'NOT_POSSIBLE',
      `${matching.length} open tasks have ${quoted(wanted)} in their titles; at most ${MOST_TASKS} can be marked in one step.`,
    );
  for (const task of matching) complete(step, task);
  const titles = matching.map((task) => named(task, 'title')).join(', ');
  return `Marked ${matching.length === 1 ? 'the task' : `${matching.length} tasks`} ${titles} as done.`;
}

function complete(step: Step, task: ReadRecord): void {
  step.update(COMPLETES, task, { isCompleted: true, completedAt: step.now });
}
