import type { OwnerMission } from '../../src/missions/views.ts';
import {
  buildDeviceRow,
  type DeviceCommand,
  type DeviceRefusal,
} from '../../src/sync/device-rows.ts';
import type { Projection } from './projection.ts';
import type { ReviewFactReader } from './review-facts.ts';

/**
 * A command of the device API. `rowId` is the uuid of the row that it writes; a repeated request
 * has the same one.
 */
export type MissionCommand = { missionId: string; rowId: string; command: DeviceCommand };

/** `written` is false if an earlier try had written the row, or if nothing had to change. */
export type DeviceWritten = { ok: true; written: boolean } | { ok: false; refusal: DeviceRefusal };

/** A command's outcome as the device API answers it. `mission` null: it is deleted. */
export type CommandOutcome =
  | { ok: true; mission: OwnerMission | null; written: boolean }
  | { ok: false; refusal: DeviceRefusal | { code: 'POSTGRES_UNAVAILABLE' } };

/**
 * Who writes for whom. `toldZone` is the IANA zone that the person told (null: none), `defaultZone`
 * the one for cadences that name none.
 */
export type DeviceWriter = {
  userId: string;
  projection: Projection;
  toldZone: string | null;
  defaultZone: string;
  /** what a review rests on, as the log has it now */
  facts: Pick<ReviewFactReader, 'read'>;
};

/**
 * Writes one change row for the person, as a device of theirs would, on top of the newest state of
 * the log.
 * @throws PostgresError
 */
export async function writeForPerson(
  writer: DeviceWriter,
  request: MissionCommand,
): Promise<DeviceWritten> {
  const { userId, projection, toldZone, defaultZone } = writer;
  const { missionId, rowId, command } = request;
  if (!(await projection.refreshPending())) projection.startEmpty();
  const state = projection.recordState(missionId);
  const facts = command.kind === 'review' ? { facts: await writer.facts.read(command) } : {};
  const write = await buildDeviceRow(
    { userId, missionId, rowId, state, toldZone, defaultZone, nowMs: Date.now(), ...facts },
    command,
  );
  // A repeated request may be refused because of what its first try has changed.
  if (!write.ok) return (await projection.holds(rowId)) ? { ok: true, written: false } : write;
  return {
    ok: true,
    written: write.row !== null && (await projection.append(write.row, write.beside)) === 'written',
  };
}
