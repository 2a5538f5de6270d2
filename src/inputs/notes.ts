import type { ModuleFormat } from './module-format.ts';

/** Notes (notes/notes). */
export const notes: ModuleFormat = {
  fallbackTitle: 'Note',
  titleFields: ['title'],
  main: [
    { label: 'Title', fields: ['title'] },
    { label: 'Content', fields: ['content', 'body'] },
  ],
  details: [{ label: 'Updated', fields: ['updatedAt'] }],
};
