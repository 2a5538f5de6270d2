import { names } from '../names.ts';
import type { ModuleTools, Step } from '../step.ts';
import { creates, TRANSACTIONS } from '../tables.ts';
import { quoted } from '../words.ts';

export const CREATES_TRANSACTION = creates(
  TRANSACTIONS,
  names('type amount categoryId description date note'),
);

export const finance: ModuleTools = {
  module: 'finance',
  appId: 'finance',
  tools: {
    add_transaction: {
      effect: 'create',
      writes: [CREATES_TRANSACTION],
      carryOut: addTransaction,
    },
  },
};

function addTransaction(step: Step): string {
  const { params } = step;
  const type = params.oneOf('type', ['income', 'expense']);
  const amount = Math.abs(params.number('amount'));
  const description = params.text('description');
  const date = params.optionalDay('date') ?? step.today;
  step.insert(CREATES_TRANSACTION, {
    type,
    amount,
    categoryId: null,
    description,
    date,
    note: null,
  });
  return `Entered an ${type} of ${amount} for ${quoted(description)} on ${date}.`;
}
