import { plainText, valueAt } from '../../inputs/readable-record.ts';
import { cutText } from '../text.ts';

/** A record that the run may see, already opened; fields that stayed ciphertext are never shown. */
export type ReadRecord = { tableName: string; recordId: string; record: Record<string, unknown> };

/** When and where it is asked: "today" depends on both. */
export type ReadContext = { nowMs: number; timeZone: string };

/** The first of these fields that says something, at most `most` characters; undefined where none does. */
export function field(
  { record }: ReadRecord,
  names: readonly string[],
  most = 300,
): string | undefined {
  const text = names.map((name) => plainText(valueAt(record, name))).find((value) => value !== '');
  return text === undefined ? undefined : cutText(text, most);
}

/** True where one of these fields is true. */
export function isSet({ record }: ReadRecord, names: readonly string[]): boolean {
  return names.some((name) => valueAt(record, name) === true);
}

/** The calendar day (YYYY-MM-DD) of a date or an instant, in a zone; undefined for what is neither. */
export function dayOf(text: string | undefined, timeZone: string): string | undefined {
  if (text === undefined) return undefined;
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return text;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : dayAt(ms, timeZone);
}

/** The calendar day (YYYY-MM-DD) of an instant in a zone. */
export function dayAt(ms: number, timeZone: string): string {
  return new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(new Date(ms));
}

const DEFAULT_LIMIT = 20;
const MOST = 50;

/** What a list answers: as many items as asked for (20 unless told, 50 at most), and how many more of the same the run may see. */
export function listOf<Item>(
  items: readonly Item[],
  limit: number | undefined,
): { items: Item[]; more?: number } {
  const most = Math.min(MOST, Math.max(1, Math.floor(limit ?? DEFAULT_LIMIT)));
  const more = items.length - most;
  return { items: items.slice(0, most), ...(more > 0 ? { more } : {}) };
}

/** What a question for one record answers where it is not among those that the run may see: no word on whether it exists. */
export const NOT_SHARED = {
  items: [],
  note: 'No such record is shared with this mission.',
} as const;

/** The record of an id. */
export function withId(records: readonly ReadRecord[], id: string): ReadRecord | undefined {
  return records.find(({ recordId }) => recordId === id);
}
