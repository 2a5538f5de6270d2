import { names } from '../names.ts';
import { needOne, textOf } from '../records.ts';
import type { CarryOutTool, ModuleTools, Step } from '../step.ts';
import { changes, creates, LIBRARY } from '../tables.ts';
import type { ReadRecord } from '../types.ts';
import { named, quoted } from '../words.ts';

const CREATES = creates(
  LIBRARY,
  names(
    'kind status title originalTitle creators year coverUrl',
    'coverMediaId rating review tags genres startedAt completedAt',
    'isFavorite times externalIds details',
  ),
);
const SETS_STATUS = changes(LIBRARY, ['status', 'startedAt', 'completedAt']);
const RATES = changes(LIBRARY, ['rating']);

const KINDS = ['book', 'movie', 'series', 'comic'] as const;
const STATUSES = ['planned', 'active', 'completed', 'paused', 'dropped'] as const;

const needsEntry: CarryOutTool['needs'] = (params) => [needOne(LIBRARY, params.text('entryId'))];

export const library: ModuleTools = {
  module: 'library',
  appId: 'library',
  tools: {
    create_library_entry: { effect: 'create', writes: [CREATES], carryOut: createEntry },
    update_library_entry_status: {
      effect: 'change',
      writes: [SETS_STATUS],
      needs: needsEntry,
      carryOut: setStatus,
    },
    rate_library_entry: { effect: 'change', writes: [RATES], needs: needsEntry, carryOut: rate },
  },
};

function createEntry(step: Step): string {
  const { params } = step;
  const kind = params.oneOf('kind', KINDS);
  const title = params.trimmed('title');
  step.insert(CREATES, {
    kind,
    status: params.optionalOneOf('status', STATUSES) ?? 'planned',
    title,
    originalTitle: null,
    creators: params.words('creators'),
    year: params.optionalNumber('year'),
    coverUrl: null,
    coverMediaId: null,
    rating: params.optionalNumberIn('rating', 1, 5),
    review: null,
    tags: params.words('tags'),
    genres: params.words('genres'),
    startedAt: null,
    completedAt: null,
    isFavorite: false,
    times: 0,
    externalIds: null,
    details: kind === 'series' ? { kind, watched: [] } : { kind },
  });
  return `Added the ${kind} ${quoted(title)} to the library.`;
}

function setStatus(step: Step): string {
  const entry = entryOf(step);
  const status = step.params.oneOf('status', STATUSES);
  const firstTime = (field: string, when: string): string | undefined =>
    status === when && textOf(entry, field) === null ? step.now : undefined;
  step.update(SETS_STATUS, entry, {
    status,
    startedAt: firstTime('startedAt', 'active'),
    completedAt: firstTime('completedAt', 'completed'),
  });
  return `Set ${named(entry, 'title')} to ${status}.`;
}

function rate(step: Step): string {
  const entry = entryOf(step);
  const rating = step.params.numberIn('rating', 1, 5);
  step.update(RATES, entry, { rating });
  return `Rated ${named(entry, 'title')} with ${rating}.`;
}

function entryOf(step: Step): ReadRecord {
  return step.records.one(LIBRARY, step.params.text('entryId'), 'library entry');
}
