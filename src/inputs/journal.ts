import type { ModuleFormat } from './module-format.ts';

/** Journal entries. */
export const journal: ModuleFormat = {
  fallbackTitle: 'Journal entry',
  titleFields: ['title'],
  main: [
    { label: 'Title', fields: ['title'] },
    { label: 'Entry', fields: ['content', 'text'] },
  ],
  details: [
    { label: 'Date', fields: ['entryDate', 'date', 'createdAt'] },
    { label: 'Mood', fields: ['mood'] },
  ],
};
