import { names } from '../names.ts';
import { bad, isDay, type Params } from '../params.ts';
import { needOne } from '../records.ts';
import type { CarryOutTool, ModuleTools, Step } from '../step.ts';
import { changes, creates, LASTS } from '../tables.ts';
import { CannotCarryOut, type ReadRecord } from '../types.ts';
import { named, quoted } from '../words.ts';

const CREATES = creates(
  LASTS,
  names(
    'title status category confidence inferredFrom date meaning',
    'note whatIKnewThen whatIKnowNow tenderness wouldReclaim',
    'reclaimedAt reclaimedNote personIds sharedWith mediaIds',
    'audioNoteId placeId recognisedAt isPinned isArchived',
  ),
);
const CONFIRMS = changes(
  LASTS,
  names('status date confidence meaning whatIKnewThen whatIKnowNow', 'tenderness wouldReclaim'),
);
const RECLAIMS = changes(LASTS, ['status', 'reclaimedAt', 'reclaimedNote']);

const CATEGORIES: readonly unknown[] = names(
  'culinary adventure travel people career creative nature culture health tech other',
);
const RECLAIM_WORDS: readonly unknown[] = ['no', 'maybe', 'yes'];

const needsLast: CarryOutTool['needs'] = (params) => [needOne(LASTS, params.trimmed('lastId'))];

export const lasts: ModuleTools = {
  module: 'lasts',
  appId: 'lasts',
  tools: {
    create_last: { effect: 'create', writes: [CREATES], carryOut: createLast },
    confirm_last: {
      effect: 'change',
      writes: [CONFIRMS],
      needs: needsLast,
      carryOut: confirmLast,
    },
    reclaim_last: {
      effect: 'change',
      writes: [RECLAIMS],
      needs: needsLast,
      carryOut: reclaimLast,
    },
  },
};

function createLast(step: Step): string {
  const { params } = step;
  const title = params.trimmed('title');
  const isConfirmed = params.value('status') === 'confirmed';
  const category = params.value('category');
  step.insert(CREATES, {
    title,
    status: isConfirmed ? 'confirmed' : 'suspected',
    category: CATEGORIES.includes(category) ? category : 'other',
    confidence: isConfirmed
      ? 'certain'
      : params.optionalOneOf('confidence', ['probably', 'likely', 'certain']),
    inferredFrom: null,
    date: dayOf(params) ?? (isConfirmed ? step.today : null),
    meaning: params.trimmedOrNull('meaning'),
    note: params.trimmedOrNull('note'),
    whatIKnewThen: null,
    whatIKnowNow: null,
    tenderness: null,
    wouldReclaim: null,
    reclaimedAt: null,
    reclaimedNote: null,
    personIds: [],
    sharedWith: null,
    mediaIds: [],
    audioNoteId: null,
    placeId: null,
    recognisedAt: step.now,
    isPinned: false,
    isArchived: false,
  });
  return `Wrote down the last time ${quoted(title)}.`;
}

/** What is not given is cleared, as the app does it: what is confirmed is the whole entry. */
function confirmLast(step: Step): string {
  const { params } = step;
  const last = lastOf(step);
  const date = dayOf(params) ?? step.today;
  const tenderness = params.optionalNumberIn('tenderness', 1, 5);
  const wouldReclaim = params.value('wouldReclaim');
  step.update(CONFIRMS, last, {
    status: 'confirmed',
    date,
    confidence: 'certain',
    meaning: params.trimmedOrNull('meaning'),
    whatIKnewThen: params.trimmedOrNull('whatIKnewThen'),
    whatIKnowNow: params.trimmedOrNull('whatIKnowNow'),
    tenderness: tenderness === null ? null : Math.round(tenderness),
    wouldReclaim: RECLAIM_WORDS.includes(wouldReclaim) ? wouldReclaim : null,
  });
  return `Confirmed the last time ${named(last, 'title')}, on ${date}.`;
}

function reclaimLast(step: Step): string {
  const last = lastOf(step);
  if (last.data['status'] !== 'confirmed')
    throw new CannotCarryOut(
      'NOT_POSSIBLE',
      `The last time ${named(last, 'title')} is not confirmed, so it cannot be reclaimed.`,
    );
  step.update(RECLAIMS, last, {
    status: 'reclaimed',
    reclaimedAt: step.now,
    reclaimedNote: step.params.trimmedOrNull('reclaimedNote'),
  });
  return `Reclaimed the last time ${named(last, 'title')}.`;
}

function lastOf(step: Step): ReadRecord {
  return step.records.one(LASTS, step.params.trimmed('lastId'), 'last time');
}

function dayOf(params: Params): string | null {
  const day = params.textOrNull('date')?.slice(0, 10) ?? null;
  if (day !== null && !isDay(day)) throw bad('date wants to be a day, YYYY-MM-DD.');
  return day;
}
