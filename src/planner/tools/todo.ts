import { datePart, id, oneOf, optionalText, quote, text, tool, toolsOf } from './tool.ts';

export const todo = toolsOf(
  'todo',
  ['task', 'todo', 'to-do', 'errand', 'deadline', 'aufgabe', 'erledigen', 'erledigung'],
  [
    tool({
      name: 'create_task',
      description: 'Add a task to the to-do list: one concrete action that the person can finish.',
      parameters: {
        title: text('The action, short, starting with a verb.'),
        dueDate: optionalText('Day it is due, YYYY-MM-DD.'),
        priority: oneOf(['low', 'medium', 'high']).optional(),
        description: optionalText('What else one needs to know to do it.'),
      },
      summarise: ({ title, dueDate, priority }) =>
        `Create task ${quote(title)}${datePart(', due ', dueDate)}${priority === 'high' ? ', high priority' : ''}`,
    }),
    tool({
      name: 'complete_task',
      description: 'Mark one task as done. Only if the data shows that it is.',
      parameters: { taskId: id('the task') },
      summarise: ({ taskId }) => `Mark task ${quote(taskId)} as done`,
    }),
    tool({
      name: 'complete_tasks_by_title',
      description:
        'Mark every open task whose title contains a text as done. Prefer complete_task where the id is known.',
      parameters: { titleMatch: text('Part of the title; specific enough to hit no other task.') },
      summarise: ({ titleMatch }) =>
        `Mark all tasks with ${quote(titleMatch)} in the title as done`,
    }),
  ],
);
