import { datePart, number, oneOf, optionalText, quote, text, tool, toolsOf } from './tool.ts';

export const finance = toolsOf(
  'finance',
  [
    'finance',
    'money',
    'budget',
    'expense',
    'income',
    'spending',
    'finanzen',
    'geld',
    'ausgabe',
    'einnahme',
  ],
  [
    tool({
      name: 'add_transaction',
      description: 'Enter an income or an expense. Only with an amount that stands in the data.',
      parameters: {
        type: oneOf(['income', 'expense']),
        amount: number("Positive, in the person's currency."),
        description: text('What it was for.'),
        date: optionalText('YYYY-MM-DD; today where left out.'),
      },
      summarise: ({ type, amount, description, date }) =>
        `Enter ${type} of ${amount} for ${quote(description)}${datePart(' on ', date)}`,
    }),
  ],
);
