import { names } from '../names.ts';
import { needOne } from '../records.ts';
import type { ModuleTools, Step } from '../step.ts';
import { changes, creates, SIGNS } from '../tables.ts';
import { named, quoted } from '../words.ts';

const CREATES = creates(
  SIGNS,
  names(
    'kind source sourceCategory claim vibe feltMeaning',
    'expectedOutcome expectedBy probability outcome outcomeNote',
    'resolvedAt encounteredAt tags relatedDreamId relatedDecisionId',
    'livingOracleSnapshot isPrivate isArchived',
  ),
);
const RESOLVES = changes(SIGNS, ['outcome', 'outcomeNote', 'resolvedAt']);

const SOURCES = names(
  'gut tarot horoscope fortune-cookie iching dream person',
  'media natural other',
);

export const augur: ModuleTools = {
  module: 'augur',
  appId: 'augur',
  tools: {
    capture_sign: { effect: 'create', writes: [CREATES], carryOut: capture },
    resolve_sign: {
      effect: 'change',
      writes: [RESOLVES],
      needs: (params) => [needOne(SIGNS, params.text('entryId'))],
      carryOut: resolve,
    },
  },
};

function capture(step: Step): string {
  const { params } = step;
  const kind = params.oneOf('kind', ['omen', 'fortune', 'hunch']);
  const claim = params.trimmed('claim');
  step.insert(CREATES, {
    kind,
    source: params.trimmed('source'),
    sourceCategory: params.optionalOneOf('sourceCategory', SOURCES) ?? 'other',
    claim,
    vibe: params.optionalOneOf('vibe', ['good', 'bad', 'mysterious']) ?? 'mysterious',
    feltMeaning: params.textOrNull('feltMeaning'),
    expectedOutcome: params.textOrNull('expectedOutcome'),
    expectedBy: params.optionalDay('expectedBy'),
    probability: params.optionalNumberIn('probability', 0, 1),
    outcome: 'open',
    outcomeNote: null,
    resolvedAt: null,
    encounteredAt: step.today,
    tags: params.words('tags'),
    relatedDreamId: null,
    relatedDecisionId: null,
    livingOracleSnapshot: null,
    isPrivate: true,
    isArchived: false,
    visibility: 'private',
  });
  return `Wrote down the ${kind} ${quoted(claim)}.`;
}

function resolve(step: Step): string {
  const { params } = step;
  const sign = step.records.one(SIGNS, params.text('entryId'), 'sign');
  const outcome = params.oneOf('outcome', ['fulfilled', 'partly', 'not-fulfilled']);
  step.update(RESOLVES, sign, {
    outcome,
    outcomeNote: params.textOrNull('note'),
    resolvedAt: step.now,
  });
  return `Recorded the sign ${named(sign, 'claim')} as ${outcome.replace('-', ' ')}.`;
}
