import { id, number, oneOf, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

const STATUSES = ['planned', 'active', 'completed', 'paused', 'dropped'] as const;

export const library = toolsOf(
  'library',
  [
    'library',
    'book',
    'movie',
    'film',
    'series',
    'comic',
    'watch',
    'buch',
    'bücher',
    'serie',
    'bibliothek',
  ],
  [
    tool({
      name: 'create_library_entry',
      description:
        'Add a book, film, series or comic to the library, for instance to the list of what to read next.',
      parameters: {
        kind: oneOf(['book', 'movie', 'series', 'comic']),
        title: text(),
        creators: optionalText('Authors or makers, separated by commas.'),
        year: number('Year of publication.').optional(),
        status: oneOf(STATUSES).optional(),
        rating: number('Only if the person rated it.').optional(),
        tags: optionalText('Separated by commas.'),
        genres: optionalText('Separated by commas.'),
      },
      summarise: ({ kind, title, creators, status }) =>
        `Add ${kind} ${quote(title)}${part(' by ', creators)}${part(', ', status)}`,
    }),
    tool({
      name: 'update_library_entry_status',
      description: 'Change how far the person is with an entry of the library.',
      parameters: { entryId: id('the entry'), status: oneOf(STATUSES) },
      summarise: ({ entryId, status }) => `Set library entry ${quote(entryId)} to ${status}`,
    }),
    tool({
      name: 'rate_library_entry',
      description: 'Rate an entry of the library. Only with a rating that the person gave.',
      parameters: { entryId: id('the entry'), rating: number('On the scale of the data.') },
      summarise: ({ entryId, rating }) => `Rate library entry ${quote(entryId)} with ${rating}`,
    }),
  ],
);
