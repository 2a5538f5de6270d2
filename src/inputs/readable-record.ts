import { isRecord } from '../values/fields.ts';
import { isCiphertext } from '../grants/fields.ts';

/**
 * One line of an input's text: its label, and the fields of which the first readable one is shown
 * (`target.value` looks inside an object).
 */
export type FieldLine = { label: string; fields: readonly string[]; longest?: number };

export type Reading = { text: string; encryptedFields: number };

const LONGEST_FIELD = 8_000;

/**
 * The readable fields of a record as `Label: value` lines, in the order of `lines`. Ciphertext
 * (`enc:`) is counted and never shown. A value that is no text, number or boolean is left out.
 */
export function readLines(record: Record<string, unknown>, lines: readonly FieldLine[]): Reading {
  const shown: string[] = [];
  let encryptedFields = 0;
  for (const { label, fields, longest = LONGEST_FIELD } of lines) {
    const values = fields.map((path) => valueAt(record, path));
    encryptedFields += values.filter(isUnreadable).length;
    const value = values.map(plainText).find((text) => text !== '');
    if (value !== undefined) shown.push(`${label}: ${value.slice(0, longest).toWellFormed()}`);
  }
  return { text: shown.join('\n'), encryptedFields };
}

/** The value as text; '' if it cannot be shown. */
export function plainText(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' && !isUnreadable(value) ? value.trim() : '';
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
