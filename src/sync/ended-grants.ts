import { isRecord } from '../values/fields.ts';
import type { ChangeRow } from './change-row.ts';
import { isAlive, type RecordState, register } from './merge.ts';

/**
 * A grant that a row of the log has ended. `grantId` null: all grants of the mission that were minted
 * until `until` (RFC 3339), because the mission was deleted then.
 */
export type EndedGrant = { missionId: string; grantId: string | null; until: string };

/**
 * The grant that a merged row ended: the person deleted the mission, took its grant away, or put
 * another in its place. null if the row ended none. Whoever wrote the row meant to end it, and a
 * grant that nobody needs any more must not stay open.
 */
export function endedGrant(merge: {
  before: RecordState | null;
  after: RecordState;
  row: ChangeRow;
}): EndedGrant | null {
  const { before, after, row } = merge;
  if (before === null) return null;
  const ended = { missionId: row.recordId, until: row.createdAt };
  if (isAlive(before) && !isAlive(after)) return { ...ended, grantId: null };
  const grantId = grantIdOf(before);
  return grantId === null || grantId === grantIdOf(after) ? null : { ...ended, grantId };
}

function grantIdOf(state: RecordState): string | null {
  const grant = register(state, 'grant')?.value;
  const id = isRecord(grant) && Object.hasOwn(grant, 'grantId') ? grant['grantId'] : null;
  return typeof id === 'string' && id !== '' && id.length <= 256 ? id : null;
}
