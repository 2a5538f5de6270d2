import { nextDue } from '../../missions/next-due.ts';
import { isRecord } from '../../values/fields.ts';
import { zoneOf } from './times.ts';

/** The next times of a cadence, as the server computes them; none for what is no cadence. */
export function nextFirings(cadence: unknown, missionId: string, count: number): string[] {
  if (!isRecord(cadence)) return [];
  const times: string[] = [];
  let afterMs = Date.now();
  for (let n = 0; n < count; n++) {
    const due = nextDue(cadence as Parameters<typeof nextDue>[0], {
      afterMs,
      missionId,
      defaultZone: zoneOf(),
    });
    if (!due.ok || due.nextMs === null) break;
    afterMs = due.nextMs;
    times.push(new Date(afterMs).toISOString());
  }
  return times;
}
