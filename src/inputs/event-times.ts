/**
 * When an event takes place. The app keeps the times of an event in a record of another table, the
 * time block (timeblocks/timeBlocks). The event names it (`timeBlockId`), or the block names the
 * event (`sourceModule`, `sourceId`).
 */
import { isEncrypted } from '../missions/mission.ts';

export const TIME_BLOCKS = { appId: 'timeblocks', tableName: 'timeBlocks' } as const;

/** What a block tells of its event. Its own words are not among them: they may say more than the event. */
const TIMES = ['startDate', 'endDate', 'allDay', 'timezone', 'recurrenceRule'] as const;

/** Longer text names no record. */
const LONGEST_ID = 256;

type Json = Readonly<Record<string, unknown>>;

/** The id of the block that an event names; null if it names none. */
export function timeBlockId(event: Json): string | null {
  const id = event['timeBlockId'];
  return typeof id === 'string' && id !== '' && id.length <= LONGEST_ID ? id : null;
}

/** True for a block that was made for the event. */
export function isBlockOf(block: Json, eventId: string): boolean {
  return block['sourceModule'] === 'calendar' && block['sourceId'] === eventId;
}

/** The event with the times of its block. What is null or ciphertext in the block is left as it is in the event. */
export function withTimes(event: Json, block: Json): Record<string, unknown> {
  const times = TIMES.map((name) => [name, block[name]] as const).filter(([, value]) =>
    isPlain(value),
  );
  return { ...event, ...Object.fromEntries(times) };
}

function isPlain(value: unknown): boolean {
  return typeof value === 'boolean' || (typeof value === 'string' && !isEncrypted(value));
}
