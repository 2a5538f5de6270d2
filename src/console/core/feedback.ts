import { encryptField } from '../../grants/fields.ts';
import { missionRef } from '../../grants/names.ts';
import { deriveRecordKeys } from '../../grants/record-keys.ts';
import type { Keys } from './vault.ts';

/** A comment under the record key of its mission (path `iterations/<id>/userFeedback`). */
export async function sealFeedback(
  keys: Keys,
  { missionId, iterationId }: { missionId: string; iterationId: string },
  version: number,
  feedback: string,
): Promise<string> {
  const ref = missionRef(missionId);
  return encryptField({
    keys: await deriveRecordKeys(keys.masterKey, ref, [version]),
    version,
    ref,
    path: `iterations/${iterationId}/userFeedback`,
    value: feedback,
  });
}
