import { number, optionalText, quote, text, tool, toolsOf } from './tool.ts';

export const newsResearch = toolsOf(
  'news-research',
  ['news', 'research', 'recherche', 'recherchieren', 'nachrichten'],
  [
    tool({
      name: 'research_news',
      description:
        'Have the app look for current news about a topic. The results are not available in this run.',
      parameters: {
        query: text('What to look for, a few words, nothing private.'),
        language: optionalText('Language code, e.g. de.'),
        limit: number('Most articles wanted.').optional(),
      },
      summarise: ({ query }) => `Look for news about ${quote(query)}`,
    }),
  ],
);
