import { isRecord } from '../values/fields.ts';
import type { ModuleFormat } from './module-format.ts';
import { plainText } from './readable-record.ts';

/** A part of a task, as the app's list shows it. */
export type Subtask = { title: string; completed: boolean };

/** Tasks (todo/tasks). */
export const tasks: ModuleFormat = {
  fallbackTitle: 'Task',
  titleFields: ['title'],
  main: [
    { label: 'Task', fields: ['title'] },
    { label: 'Description', fields: ['description'] },
  ],
  details: [
    { label: 'Due', fields: ['dueDate'] },
    { label: 'Priority', fields: ['priority'] },
    { label: 'Completed', fields: ['isCompleted', 'completed', 'status'] },
    { label: 'Subtasks', fields: ['subtasks'], show: subtasksText },
  ],
};

/** The subtasks of a task in their order. Elements without a readable title are left out. */
export function subtasksOf(value: unknown): Subtask[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  const ordered = items
    .filter(isRecord)
    .toSorted((a, b) => (Number(a['order']) || 0) - (Number(b['order']) || 0));
  return ordered.flatMap((item) => {
    const title = plainText(item['title']);
    return title === '' ? [] : [{ title, completed: item['isCompleted'] === true }];
  });
}

function subtasksText(value: unknown): string {
  return subtasksOf(value)
    .map(({ title, completed }) => `[${completed ? 'x' : ' '}] ${title}`)
    .join('; ');
}
