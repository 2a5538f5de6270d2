import { needAll, textOf } from '../records.ts';
import type { ModuleTools, Step } from '../step.ts';
import { deletes, DRINKS } from '../tables.ts';
import { CannotCarryOut, type ReadRecord } from '../types.ts';
import { named } from '../words.ts';

const DELETES = deletes(DRINKS);

export const drink: ModuleTools = {
  module: 'drink',
  appId: 'drink',
  tools: {
    undo_drink: {
      effect: 'delete',
      writes: [DELETES],
      needs: () => [needAll(DRINKS)],
      carryOut: undoDrink,
    },
  },
};

function undoDrink(step: Step): string {
  const newest = step.records
    .live(DRINKS)
    .toSorted((a, b) => (whenOf(a) < whenOf(b) ? 1 : -1))
    .at(0);
  if (newest === undefined)
    throw new CannotCarryOut('NOT_POSSIBLE', 'No drink is logged that could be taken back.');
  step.delete(DELETES, newest);
  const { quantityMl } = newest.data;
  const amount = typeof quantityMl === 'number' ? `, ${quantityMl} ml` : '';
  const when = [textOf(newest, 'date'), textOf(newest, 'time')].filter(Boolean).join(' ');
  return `Took back the drink ${named(newest, 'name')}${amount}, logged for ${when}.`;
}

/** When it was drunk; the id makes the choice the same for everybody. */
function whenOf(drunk: ReadRecord): string {
  const parts = ['date', 'time', 'createdAt'].map((field) => textOf(drunk, field) ?? '');
  return [...parts, drunk.recordId].join(' ');
}
