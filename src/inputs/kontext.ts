import type { ModuleFormat } from './module-format.ts';

/** Kontext: what the person wants their agents to know. */
export const kontext: ModuleFormat = {
  fallbackTitle: 'Context',
  titleFields: ['title'],
  main: [
    { label: 'Title', fields: ['title'] },
    { label: 'Context', fields: ['content', 'text', 'body'] },
  ],
  details: [],
};
