import { datePart, id, oneOf, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

import { z } from 'zod';

export const invoices = toolsOf(
  'invoices',
  ['invoice', 'bill', 'billing', 'rechnung'],
  [
    tool({
      name: 'create_invoice',
      description:
        'Draft an invoice to a client. Only with names and amounts that stand in the data.',
      parameters: {
        clientName: text(),
        clientEmail: optionalText(),
        clientAddress: optionalText(),
        subject: optionalText('What the invoice is for.'),
        currency: oneOf(['CHF', 'EUR', 'USD']).optional(),
        dueDate: optionalText('YYYY-MM-DD.'),
        lines: z
          .array(z.unknown())
          .min(1)
          .describe('Items: objects with title, quantity, unitPrice and, where known, vatRate.'),
      },
      summarise: ({ clientName, subject, lines, dueDate }) =>
        `Draft invoice to ${quote(clientName)}${part(' for ', subject)} with ${lines.length} ${lines.length === 1 ? 'item' : 'items'}${datePart(', due ', dueDate)}`,
    }),
    tool({
      name: 'mark_invoice_paid',
      description: 'Mark an invoice as paid. Only if the data shows that it is.',
      parameters: {
        invoiceId: id('the invoice'),
        paidAt: optionalText('YYYY-MM-DD; today where left out.'),
      },
      summarise: ({ invoiceId, paidAt }) =>
        `Mark invoice ${quote(invoiceId)} as paid${datePart(' on ', paidAt)}`,
    }),
  ],
);
