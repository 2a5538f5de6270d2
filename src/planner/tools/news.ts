import { optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

export const news = toolsOf(
  'news',
  ['news', 'headline', 'press', 'nachrichten', 'neuigkeiten'],
  [
    tool({
      name: 'save_news_article',
      description: 'Save a news article to read later. Only with a link that stands in the data.',
      parameters: {
        url: text('The link, exactly as in the data.'),
        title: optionalText(),
        summary: optionalText(),
      },
      summarise: ({ url, title }) =>
        `Save news article ${quote(title?.trim() ? title : url)}${part(' from ', title?.trim() ? url : '')}`,
    }),
  ],
);
