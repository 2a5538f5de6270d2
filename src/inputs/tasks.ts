import type { ModuleFormat } from './module-format.ts';

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
  ],
};
