import { id, oneOf, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

export const articles = toolsOf(
  'articles',
  ['article', 'reading list', 'highlight', 'artikel', 'leseliste', 'lesen'],
  [
    tool({
      name: 'save_article',
      description: 'Save an article to the reading list. Only with a link that stands in the data.',
      parameters: {
        url: text('The link, exactly as in the data.'),
        title: optionalText(),
        reason: optionalText('Why it is worth reading.'),
      },
      summarise: ({ url, title }) =>
        `Save article ${quote(title?.trim() ? title : url)}${part(' from ', title?.trim() ? url : '')}`,
    }),
    tool({
      name: 'archive_article',
      description: 'Move an article out of the reading list into the archive.',
      parameters: { articleId: id('the article') },
      summarise: ({ articleId }) => `Archive article ${quote(articleId)}`,
    }),
    tool({
      name: 'tag_article',
      description: 'Give a saved article a tag.',
      parameters: {
        articleId: id('the article'),
        tagName: text('One word or a short phrase, without #.'),
      },
      summarise: ({ articleId, tagName }) =>
        `Tag article ${quote(articleId)} with ${quote(tagName)}`,
    }),
    tool({
      name: 'add_article_highlight',
      description: 'Mark a passage of a saved article.',
      parameters: {
        articleId: id('the article'),
        text: text('The passage, word for word.'),
        color: oneOf(['yellow', 'green', 'blue', 'pink']).optional(),
        note: optionalText('A remark on it.'),
      },
      summarise: ({ articleId, text: passage }) =>
        `Highlight ${quote(passage)} in article ${quote(articleId)}`,
    }),
  ],
);
