import { names } from '../names.ts';
import { needOne, numberOf, opened } from '../records.ts';
import type { ModuleTools, Step } from '../step.ts';
import { changes, creates, PLACES } from '../tables.ts';
import { named, quoted } from '../words.ts';
import { CREATES_BLOCK, insertBlock } from './time-blocks.ts';

const CREATES = creates(
  PLACES,
  names('name latitude longitude address category isFavorite', 'isArchived visitCount'),
);
const VISITS = changes(PLACES, ['visitCount', 'lastVisitedAt']);

const CATEGORIES = names(
  'home work food shopping transit leisure sport culture',
  'nature transport health education nightlife other',
);

export const places: ModuleTools = {
  module: 'places',
  appId: 'places',
  tools: {
    create_place: { effect: 'create', writes: [CREATES], carryOut: createPlace },
    visit_place: {
      effect: 'change',
      writes: [VISITS, CREATES_BLOCK],
      needs: (params) => [needOne(PLACES, params.text('placeId'))],
      carryOut: visitPlace,
    },
  },
};

function createPlace(step: Step): string {
  const { params } = step;
  const name = params.text('name');
  step.insert(CREATES, {
    name,
    latitude: params.numberIn('latitude', -90, 90),
    longitude: params.numberIn('longitude', -180, 180),
    address: params.optionalText('address') ?? undefined,
    category: params.optionalOneOf('category', CATEGORIES) ?? 'other',
    isFavorite: false,
    isArchived: false,
    visitCount: 0,
  });
  return `Saved the place ${quoted(name)}.`;
}

function visitPlace(step: Step): string {
  const place = step.records.one(PLACES, step.params.text('placeId'), 'place');
  const visits = (numberOf(place, 'visitCount') ?? 0) + 1;
  step.update(VISITS, place, { visitCount: visits, lastVisitedAt: step.now });
  insertBlock(
    step,
    {
      startDate: step.now,
      endDate: step.now,
      kind: 'logged',
      type: 'visit',
      sourceModule: 'places',
      sourceId: place.recordId,
      title: opened(place, 'name') ?? 'Place',
      color: '#a855f7',
    },
    place,
  );
  return `Recorded visit ${visits} to the place ${named(place, 'name')}.`;
}
