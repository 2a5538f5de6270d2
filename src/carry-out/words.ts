import { isCiphertext } from '../grants/fields.ts';

const MOST = 80;

/** Words of a person in a sentence: one line, in quotes, cut at 80 characters. */
export function quoted(words: string): string {
  const line = words.replaceAll(/\s+/g, ' ').trim();
  const points = Array.from(line);
  return `'${points.length > MOST ? `${points.slice(0, MOST - 1).join('')}…` : line}'`;
}

/** A record's name for a sentence; its id where the name is missing or was not opened. */
export function named(
  record: { recordId: string; data: Readonly<Record<string, unknown>> },
  field: string,
): string {
  const name = record.data[field];
  return quoted(
    typeof name === 'string' && name !== '' && !isCiphertext(name) ? name : record.recordId,
  );
}

/** Words of a text, split at white space. */
export function countWords(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length;
}
