import { GrantsError } from './errors.ts';

/** A record of a person. Its text form is `table:id`. */
export type RecordRef = { tableName: string; recordId: string };

/**
 * The table of missions. A mission's own record is opened by its grant, but never listed in a
 * grant.
 */
export const MISSIONS_TABLE = 'aiMissions';

const TABLE_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const LONGEST_ID = 256;

export function isTableName(text: unknown): text is string {
  return typeof text === 'string' && TABLE_NAME.test(text);
}

/**
 * User, mission and record ids: 1 to 256 code units of well-formed Unicode without control
 * characters, never normalised.
 */
export function isRecordName(text: unknown): text is string {
  return typeof text === 'string' && text.length <= LONGEST_ID && isCleanText(text);
}

/**
 * Whether a text is well-formed Unicode without control characters and not empty, so that it may be
 * joined by 0x00.
 */
export function isCleanText(text: string): boolean {
  return text !== '' && text.isWellFormed() && !/\p{Cc}/u.test(text);
}

export function isRecordRef({ tableName, recordId }: RecordRef): boolean {
  return isTableName(tableName) && isRecordName(recordId);
}

/**
 * Splits `table:id` at the first colon (an id may hold more of them). Null if either part is no
 * name.
 */
export function parseRecordRef(text: unknown): RecordRef | null {
  if (typeof text !== 'string') return null;
  const colon = text.indexOf(':');
  const ref = { tableName: text.slice(0, Math.max(colon, 0)), recordId: text.slice(colon + 1) };
  return isRecordRef(ref) ? ref : null;
}

/** @throws GrantsError NAME_REFUSED */
export function formatRecordRef(ref: RecordRef): string {
  assertRecordRef(ref);
  return `${ref.tableName}:${ref.recordId}`;
}

export function missionRef(missionId: string): RecordRef {
  return { tableName: MISSIONS_TABLE, recordId: missionId };
}

/** @throws GrantsError NAME_REFUSED */
export function assertRecordRef(ref: RecordRef): void {
  if (!isRecordRef(ref))
    throw new GrantsError('NAME_REFUSED', 'a table name or a record id is not allowed');
}

/**
 * The scope of a grant as its claims list it: each record once, in the order of UTF-16 code units.
 */
export function sortedScope(records: Iterable<string>): string[] {
  return Array.from(new Set(records)).toSorted(byCodeUnits);
}

/** Whether the list is one that sortedScope returns. */
export function isSortedScope(records: readonly string[]): boolean {
  return records.every((record, at) => at === 0 || byCodeUnits(records[at - 1] ?? '', record) < 0);
}

function byCodeUnits(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
