import { oneOf, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

const MOODS = [
  'dankbar',
  'glücklich',
  'zufrieden',
  'neutral',
  'nachdenklich',
  'traurig',
  'gestresst',
  'wütend',
] as const;

export const journal = toolsOf(
  'journal',
  ['journal', 'diary', 'reflect', 'reflection', 'tagebuch', 'reflexion', 'reflektieren'],
  [
    tool({
      name: 'create_journal_entry',
      description:
        'Draft a journal entry for the person, e.g. with questions to reflect on. Do not put feelings into their mouth.',
      parameters: {
        content: text('The entry, Markdown.'),
        title: optionalText(),
        mood: oneOf(MOODS, 'Only if the person named it; German words.').optional(),
      },
      summarise: ({ title, content, mood }) =>
        `Write journal entry ${quote(title?.trim() ? title : content)}${part(', mood ', mood)}`,
    }),
  ],
);
