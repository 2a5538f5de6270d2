import { isRecord } from '../values/fields.ts';
import { isRawNumber } from '../values/json.ts';
import { isCiphertext } from '../grants/fields.ts';

/**
 * One line of an input's text: its label, and the fields of which the first readable one is shown
 * (`target.value` looks inside an object).
 */
export type FieldLine = {
  label: string;
  fields: readonly string[];
  longest?: number;
  /** how a value becomes text; `plainText` if it is left out */
  show?: (value: unknown) => string;
};

export type Reading = { text: string; encryptedFields: number };

const LONGEST_FIELD = 8_000;

/**
 * The readable fields of a record as `Label: value` lines, in the order of `lines`. Ciphertext
 * (`enc:`) is counted and never shown. A value that is no text, number or boolean is left out.
 */
export function readLines(record: Record<string, unknown>, lines: readonly FieldLine[]): Reading {
  const shown: string[] = [];
  let encryptedFields = 0;
  for (const { label, fields, longest = LONGEST_FIELD, show = plainText } of lines) {
    const values = fields.map((path) => valueAt(record, path));
    encryptedFields += values.filter(isUnreadable).length;
    const value = values.map(show).find((text) => text !== '');
    if (value !== undefined) shown.push(`${label}: ${value.slice(0, longest).toWellFormed()}`);
  }
  return { text: shown.join('\n'), encryptedFields };
}

/** The value as text; '' if it cannot be shown. */
export function plainText(value: unknown): string {
  if (isRawNumber(value)) return value.rawJSON;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' && !isUnreadable(value) ? value.trim() : '';
}

/**
 * Any value as text: the items of a list with commas, the members of an object as `name: value`
 * with semicolons. Ciphertext and what says nothing is left out; '' if nothing is left.
 */
export function wholeText(value: unknown): string {
  if (Array.isArray(value)) return said(value.map(wholeText)).join(', ');
  if (!isRecord(value) || isRawNumber(value)) return plainText(value);
  const members = Object.entries(value).map(([name, member]) => [name, wholeText(member)] as const);
  return members
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `${name}: ${text}`)
    .join('; ');
}

function said(texts: readonly string[]): string[] {
  return texts.filter((text) => text !== '');
}

/** A value of a record, or of an object inside it if the path has a dot. Own properties only. */
export function valueAt(record: Record<string, unknown>, path: string): unknown {
  let value: unknown = record;
  for (const name of path.split('.'))
    value = isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return value;
}

/** Ciphertext, spaces before it aside: what is no ciphertext to a device may still be none to show. */
function isUnreadable(value: unknown): boolean {
  return typeof value === 'string' && isCiphertext(value.trimStart());
}
