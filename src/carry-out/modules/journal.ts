import { names } from '../names.ts';
import type { ModuleTools, Step } from '../step.ts';
import { creates, JOURNAL } from '../tables.ts';
import { countWords, quoted } from '../words.ts';

const CREATES = creates(
  JOURNAL,
  names('title content entryDate mood tags isPinned isArchived', 'isFavorite wordCount'),
);

/** The app's words, which are German. */
const MOODS = names('dankbar glücklich zufrieden neutral nachdenklich traurig', 'gestresst wütend');

export const journal: ModuleTools = {
  module: 'journal',
  appId: 'journal',
  tools: {
    create_journal_entry: { effect: 'create', writes: [CREATES], carryOut: createEntry },
  },
};

function createEntry(step: Step): string {
  const { params } = step;
  const title = params.textOrNull('title');
  const content = params.optionalText('content') ?? '';
  const entryDate = step.local.day;
  step.insert(CREATES, {
    title,
    content,
    entryDate,
    mood: params.optionalOneOf('mood', MOODS),
    tags: [],
    isPinned: false,
    isArchived: false,
    isFavorite: false,
    wordCount: countWords(content),
  });
  return `Wrote the journal entry ${quoted(title ?? content)} for ${entryDate}.`;
}
