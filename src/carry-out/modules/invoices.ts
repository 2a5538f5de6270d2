import { names } from '../names.ts';
import { isRecord } from '../../values/fields.ts';
import { bad, isDay } from '../params.ts';
import { needOne, numberOf, opened, textOf } from '../records.ts';
import type { ModuleTools, Step } from '../step.ts';
import { changes, creates, INVOICE_SETTINGS, INVOICES, TRANSACTIONS } from '../tables.ts';
import { CannotCarryOut, type ReadRecord } from '../types.ts';
import { quoted } from '../words.ts';
import { CREATES_TRANSACTION } from './finance.ts';

const SETTINGS_ID = 'invoice-settings';

const CREATES = creates(
  INVOICES,
  names(
    'number status clientId clientSource clientSnapshot currency',
    'issueDate dueDate sentAt paidAt lines subject notes terms',
    'referenceNumber pdfBlobKey totals',
  ),
);
const COUNTS = changes(INVOICE_SETTINGS, ['nextNumber']);
const CREATES_SETTINGS = creates(
  INVOICE_SETTINGS,
  names(
    'senderName senderAddress senderStreet senderZip senderCity',
    'senderCountry senderEmail senderVatNumber senderIban senderBic',
    'logoMediaId accentColor footer numberPrefix numberPadding',
    'nextNumber defaultCurrency defaultVatRate defaultDueDays',
    'defaultTerms',
  ),
  { is: SETTINGS_ID },
);
const PAYS = changes(INVOICES, ['status', 'paidAt']);
const ENTERS_PAYMENT = { ...CREATES_TRANSACTION, id: { startsWith: 'invoice-tx-' } };

const VAT_RATE = 8.1;
const DUE_DAYS = 30;
const DAY_MS = 86_400_000;

export const invoices: ModuleTools = {
  module: 'invoices',
  appId: 'invoices',
  tools: {
    create_invoice: {
      effect: 'create',
      writes: [CREATES, CREATES_SETTINGS, COUNTS],
      needs: () => [needOne(INVOICE_SETTINGS, SETTINGS_ID)],
      carryOut: createInvoice,
    },
    mark_invoice_paid: {
      effect: 'change',
      writes: [PAYS, ENTERS_PAYMENT],
      needs: (params) => [needOne(INVOICES, params.text('invoiceId'))],
      carryOut: markPaid,
    },
  },
};

function createInvoice(step: Step): string {
  const { params } = step;
  const name = params.trimmed('clientName');
  const settings = settingsOf(step);
  const next = numberOf(settings, 'nextNumber') ?? 1;
  const padding = numberOf(settings, 'numberPadding') ?? 4;
  const number = `${textOf(settings, 'numberPrefix') ?? ''}${String(next).padStart(padding, '0')}`;
  const lines = linesOf(step);
  const address = params.trimmedOrNull('clientAddress');
  const email = params.trimmedOrNull('clientEmail');
  step.insert(CREATES, {
    number,
    status: 'draft',
    clientId: null,
    clientSource: 'invoice-client',
    clientSnapshot: {
      name,
      ...(address === null ? {} : { address }),
      ...(email === null ? {} : { email }),
    },
    currency: params.optionalOneOf('currency', ['CHF', 'EUR', 'USD']) ?? 'CHF',
    issueDate: step.today,
    dueDate:
      params.optionalDay('dueDate') ??
      dayAfter(step.today, numberOf(settings, 'defaultDueDays') ?? DUE_DAYS),
    sentAt: null,
    paidAt: null,
    lines,
    subject: params.textOrNull('subject'),
    notes: null,
    terms: opened(settings, 'defaultTerms'),
    referenceNumber: creditorReference(number),
    pdfBlobKey: null,
    totals: totalsOf(lines),
  });
  if (step.records.find(INVOICE_SETTINGS, SETTINGS_ID) === null)
    step.insert(CREATES_SETTINGS, newSettings(step));
  step.update(COUNTS, settings, { nextNumber: next + 1 });
  return `Drafted the invoice ${number} to ${quoted(name)}.`;
}

function settingsOf(step: Step): ReadRecord {
  const { appId, table } = INVOICE_SETTINGS;
  const made = { appId, table, recordId: SETTINGS_ID, data: newSettings(step) };
  return step.records.find(INVOICE_SETTINGS, SETTINGS_ID) ?? made;
}

/** As the app makes them at first. */
function newSettings({ today }: Step) {
  return {
    senderName: '',
    senderAddress: '',
    senderStreet: null,
    senderZip: null,
    senderCity: null,
    senderCountry: 'CH',
    senderEmail: '',
    senderVatNumber: null,
    senderIban: '',
    senderBic: null,
    logoMediaId: null,
    accentColor: '#059669',
    footer: null,
    numberPrefix: `${today.slice(0, 4)}-`,
    numberPadding: 4,
    nextNumber: 1,
    defaultCurrency: 'CHF',
    defaultVatRate: VAT_RATE,
    defaultDueDays: DUE_DAYS,
    defaultTerms: null,
  };
}

function dayAfter(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

type Line = {
  id: string;
  title: string;
  description: string | null;
  quantity: number;
  unit: string | null;
  /** in hundredths, as all amounts of an invoice */
  unitPrice: number;
  vatRate: number;
  discount: number | null;
};

/** Entries without title, quantity and price are dropped, as the app drops them. */
function linesOf(step: Step): Line[] {
  const lines = entriesOf(step.params.value('lines')).flatMap((entry): Omit<Line, 'id'>[] => {
    if (!isRecord(entry)) return [];
    const { title, quantity, unitPrice } = entry;
    if (typeof title !== 'string' || title.trim() === '') return [];
    if (!isFiniteNumber(quantity) || !isFiniteNumber(unitPrice)) return [];
    return [
      {
        title,
        description: textOrNull(entry['description']),
        quantity,
        unit: textOrNull(entry['unit']),
        unitPrice: Math.round(unitPrice * 100),
        vatRate: isFiniteNumber(entry['vatRate']) ? entry['vatRate'] : VAT_RATE,
        discount: isFiniteNumber(entry['discount']) ? entry['discount'] : null,
      },
    ];
  });
  if (lines.length === 0) throw bad('lines wants an item with title, quantity and unitPrice.');
  return lines.map((line, index) => ({ id: step.partId('lines', index), ...line }));
}

function entriesOf(value: unknown): readonly unknown[] {
  try {
    const list: unknown = typeof value === 'string' ? JSON.parse(value) : value;
    if (Array.isArray(list)) return list;
  } catch {
    // falls through: it is no list either
  }
  throw bad('lines wants to be a list.');
}

type Rate = { rate: number; base: number; tax: number };

function totalsOf(lines: readonly Line[]): {
  net: number;
  vat: number;
  gross: number;
  vatBreakdown: Rate[];
} {
  const rates = new Map<number, Rate>();
  for (const { quantity, unitPrice, discount, vatRate } of lines) {
    const base = Math.round(quantity * unitPrice * (1 - (discount ?? 0) / 100));
    const sum = rates.get(vatRate) ?? { rate: vatRate, base: 0, tax: 0 };
    const tax = Math.round((base * vatRate) / 100);
    rates.set(vatRate, { rate: vatRate, base: sum.base + base, tax: sum.tax + tax });
  }
  const vatBreakdown = [...rates.values()].toSorted((a, b) => a.rate - b.rate);
  const net = vatBreakdown.reduce((sum, { base }) => sum + base, 0);
  const vat = vatBreakdown.reduce((sum, { tax }) => sum + tax, 0);
  return { net, vat, gross: net + vat, vatBreakdown };
}

/** ISO 11649: RF, two check digits (ISO 7064, MOD 97-10), at most 21 letters and digits. */
function creditorReference(number: string): string {
  const reference = number
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, '')
    .slice(0, 21);
  const digits = Array.from(`${reference}RF00`, (letter) => parseInt(letter, 36)).join('');
  const check = 98n - (BigInt(digits) % 97n);
  return `RF${String(check).padStart(2, '0')}${reference}`;
}

function markPaid(step: Step): string {
  const { params } = step;
  const invoice = step.records.one(INVOICES, params.text('invoiceId'), 'invoice');
  const number = textOf(invoice, 'number') ?? '–';
  const { status } = invoice.data;
  if (status !== 'sent' && status !== 'overdue')
    throw new CannotCarryOut(
      'NOT_POSSIBLE',
      `The invoice ${number} is ${String(status)}; only one that was sent can be paid.`,
    );
  const paidAt = paidAtOf(step);
  const client = opened(invoice, 'clientSnapshot');
  const name = isRecord(client) && typeof client['name'] === 'string' ? client['name'] : '–';
  const { totals } = invoice.data;
  const gross = isRecord(totals) && isFiniteNumber(totals['gross']) ? totals['gross'] : 0;
  const currency = textOf(invoice, 'currency') ?? '';
  step.update(PAYS, invoice, { status: 'paid', paidAt });
  const payment = {
    id: `invoice-tx-${invoice.recordId}`,
    type: 'income',
    amount: Math.abs(gross / 100),
    categoryId: null,
    description: `Invoice ${number} – ${name}`,
    date: paidAt.slice(0, 10),
    note: `From invoice ${number}, ${currency}`,
  };
  step.insert({ ...ENTERS_PAYMENT, table: TRANSACTIONS }, payment, invoice);
  return `Marked the invoice ${number} as paid on ${paidAt.slice(0, 10)}.`;
}

function paidAtOf(step: Step): string {
  const given = step.params.textOrNull('paidAt');
  if (given === null) return step.now;
  if (isDay(given)) return `${given}T12:00:00.000Z`;
  if (Number.isNaN(Date.parse(given)) || !isDay(given.slice(0, 10)))
    throw bad('paidAt wants to be a day, YYYY-MM-DD.');
  return given;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
