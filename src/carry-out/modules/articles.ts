import { names } from '../names.ts';
import { bad } from '../params.ts';
import { needOne, openedText } from '../records.ts';
import { appOnly, type CarryOutTool, type ModuleTools, type Step } from '../step.ts';
import { ARTICLES, changes, creates, HIGHLIGHTS } from '../tables.ts';
import { CannotCarryOut, type ReadRecord } from '../types.ts';
import { named, quoted } from '../words.ts';

const ARCHIVES = changes(ARTICLES, ['status']);
const HIGHLIGHTS_PASSAGE = creates(
  HIGHLIGHTS,
  names('articleId text note color startOffset endOffset', 'contextBefore contextAfter'),
);

/** UTF-16 units of the text around a passage by which the app finds it again. */
const CONTEXT = 40;
const SHORTEST_PASSAGE = 10;
const LONGEST_PASSAGE = 500;

const needsArticle: CarryOutTool['needs'] = (params) => [
  needOne(ARTICLES, params.trimmed('articleId')),
];

export const articles: ModuleTools = {
  module: 'articles',
  appId: 'articles',
  tools: {
    // Its page has to be fetched and read.
    save_article: appOnly('create'),
    // Tags live in a database that is never synced.
    tag_article: appOnly('change'),
    archive_article: {
      effect: 'change',
      writes: [ARCHIVES],
      needs: needsArticle,
      carryOut: archive,
    },
    add_article_highlight: {
      effect: 'create',
      writes: [HIGHLIGHTS_PASSAGE],
      needs: needsArticle,
      carryOut: highlight,
    },
  },
};

function archive(step: Step): string {
  const article = articleOf(step);
  step.update(ARCHIVES, article, { status: 'archived' });
  return `Archived the article ${named(article, 'title')}.`;
}

function highlight(step: Step): string {
  const { params } = step;
  const article = articleOf(step);
  const text = params.trimmed('text');
  if (text.length < SHORTEST_PASSAGE || text.length > LONGEST_PASSAGE)
    throw bad(`text must have ${SHORTEST_PASSAGE} to ${LONGEST_PASSAGE} characters.`);
  const content = openedText(article, 'content');
  const startOffset = content.indexOf(text);
  if (startOffset < 0)
    throw new CannotCarryOut(
      'NOT_POSSIBLE',
      `${quoted(text)} does not stand word for word in the article ${named(article, 'title')}.`,
    );
  const endOffset = startOffset + text.length;
  step.insert(
    HIGHLIGHTS_PASSAGE,
    {
      articleId: article.recordId,
      text,
      note: params.trimmedOrNull('note'),
      color: params.optionalOneOf('color', ['yellow', 'green', 'blue', 'pink']) ?? 'yellow',
      startOffset,
      endOffset,
      contextBefore: content.slice(Math.max(0, startOffset - CONTEXT), startOffset) || null,
      contextAfter: content.slice(endOffset, endOffset + CONTEXT) || null,
    },
    article,
  );
  return `Highlighted ${quoted(text)} in the article ${named(article, 'title')}.`;
}

function articleOf(step: Step): ReadRecord {
  return step.records.one(ARTICLES, step.params.trimmed('articleId'), 'article');
}
