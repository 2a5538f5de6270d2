import { names } from '../names.ts';
import { isRecord } from '../../values/fields.ts';
import { listOf, needOne, opened, openedText, textOf } from '../records.ts';
import { appOnly, type CarryOutTool, type ModuleTools, type Step } from '../step.ts';
import { AGENTS, ARTICLES, changes, creates, DRAFT_VERSIONS, DRAFTS } from '../tables.ts';
import { CannotCarryOut, type ReadRecord } from '../types.ts';
import { countWords, named, quoted } from '../words.ts';

const CREATES = creates(
  DRAFTS,
  names(
    'kind status title briefing styleId styleOverrides',
    'references currentVersionId publishedTo isFavorite',
  ),
);
const CREATES_VERSION = creates(
  DRAFT_VERSIONS,
  names(
    'draftId versionNumber content wordCount generationId',
    'isAiGenerated parentVersionId summary',
  ),
);
const SETS_STATUS = changes(DRAFTS, ['status']);
const PUBLISHES_TO = changes(DRAFTS, ['publishedTo']);
const CREATES_ARTICLE = creates(
  ARTICLES,
  names(
    'originalUrl title excerpt content htmlContent author',
    'siteName imageUrl wordCount readingTimeMinutes publishedAt',
    'status readingProgress isFavorite savedAt readAt userNote',
    'extractedVersion',
  ),
);

const KINDS = names(
  'blog essay email social story letter speech',
  'cover-letter product-description press-release bio other',
);
const WORDS_A_MINUTE = 200;
const EXCERPT = 240;

const needsDraft: CarryOutTool['needs'] = (params) => [needOne(DRAFTS, params.text('draftId'))];

export const writing: ModuleTools = {
  module: 'writing',
  appId: 'writing',
  tools: {
    create_draft: { effect: 'create', writes: [CREATES, CREATES_VERSION], carryOut: createDraft },
    // A model writes both, and that is paid for.
    generate_draft_content: appOnly('spend'),
    refine_draft_selection: appOnly('spend'),
    set_draft_status: {
      effect: 'change',
      writes: [SETS_STATUS],
      needs: needsDraft,
      carryOut: setStatus,
    },
    save_draft_as_article: {
      effect: 'create',
      writes: [CREATES_ARTICLE, PUBLISHES_TO],
      needs: (params, records) => {
        const draftId = params.text('draftId');
        const draft = records.find(DRAFTS, draftId);
        const versionId = draft === null ? null : textOf(draft, 'currentVersionId');
        const version = versionId === null ? [] : [needOne(DRAFT_VERSIONS, versionId)];
        return [needOne(DRAFTS, draftId), ...version];
      },
      carryOut: saveAsArticle,
    },
  },
};

function createDraft(step: Step): string {
  const { params } = step;
  const kind = params.oneOf('kind', KINDS);
  const title = params.trimmed('title');
  const words = params.optionalNumber('targetWords');
  const length = words ? { targetLength: { type: 'words', value: Math.round(words) } } : {};
  step.insert(CREATES, {
    kind,
    status: 'draft',
    title,
    briefing: {
      topic: params.trimmed('topic'),
      audience: params.textOrNull('audience'),
      tone: params.textOrNull('tone'),
      language: params.textOrNull('language') ?? 'de',
      ...length,
      extraInstructions: params.textOrNull('extraInstructions'),
      useResearch: false,
    },
    styleId: params.textOrNull('styleId') ?? styleOfAgent(step),
    styleOverrides: null,
    references: [],
    currentVersionId: step.idOf(1),
    publishedTo: [],
    isFavorite: false,
  });
  step.insert(CREATES_VERSION, {
    draftId: step.idOf(0),
    versionNumber: 1,
    content: '',
    wordCount: 0,
    generationId: null,
    isAiGenerated: false,
    parentVersionId: null,
    summary: null,
  });
  return `Started the ${kind} draft ${quoted(title)}.`;
}

function styleOfAgent({ agentId, records }: Step): string | null {
  const agent = agentId === null ? null : records.find(AGENTS, agentId);
  return agent === null ? null : textOf(agent, 'defaultWritingStyleId');
}

function setStatus(step: Step): string {
  const draft = draftOf(step);
  const status = step.params.oneOf('status', ['draft', 'refining', 'complete', 'published']);
  if (draft.data['status'] === status)
    return `The draft ${named(draft, 'title')} is ${status} already.`;
  step.update(SETS_STATUS, draft, { status });
  return `Set the draft ${named(draft, 'title')} to ${status}.`;
}

/** It goes into the person's own reading list; nothing becomes public. */
function saveAsArticle(step: Step): string {
  const draft = draftOf(step);
  const versionId = textOf(draft, 'currentVersionId');
  const version = versionId === null ? null : step.records.find(DRAFT_VERSIONS, versionId);
  if (version === null)
    throw new CannotCarryOut('NOT_POSSIBLE', `The draft ${named(draft, 'title')} has no text.`);
  const content = openedText(version, 'content');
  const wordCount = countWords(content);
  const title = titleOf(draft);
  step.insert(
    CREATES_ARTICLE,
    {
      originalUrl: `internal://writing/${draft.recordId}`,
      title,
      excerpt: content.slice(0, EXCERPT).trim() || null,
      content,
      htmlContent: content,
      author: null,
      siteName: 'Writing',
      imageUrl: null,
      wordCount,
      readingTimeMinutes: Math.max(1, Math.round(wordCount / WORDS_A_MINUTE)),
      publishedAt: null,
      status: 'unread',
      readingProgress: 0,
      isFavorite: false,
      savedAt: step.now,
      readAt: null,
      userNote: null,
      extractedVersion: 1,
    },
    draft,
  );
  const published = { module: 'articles', targetId: step.idOf(0), publishedAt: step.now };
  step.update(PUBLISHES_TO, draft, { publishedTo: [...listOf(draft, 'publishedTo'), published] });
  return `Saved the draft ${quoted(title)} as an article.`;
}

function titleOf(draft: ReadRecord): string {
  const title = openedText(draft, 'title');
  if (title !== '') return title;
  const briefing = opened(draft, 'briefing');
  const topic = isRecord(briefing) ? briefing['topic'] : null;
  return typeof topic === 'string' && topic !== '' ? topic : 'Untitled';
}

function draftOf(step: Step): ReadRecord {
  return step.records.one(DRAFTS, step.params.text('draftId'), 'draft');
}
