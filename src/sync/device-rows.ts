import { type Cadence, firstDue, nextDue, parseCadence } from '../missions/cadence.ts';
import { canonicalJson } from '../values/canonical-json.ts';
import { MISSIONS_TABLE } from '../values/tables.ts';
import { parseInstantMs } from '../values/instant.ts';
import type { InputRef } from '../missions/mission.ts';
import { DEVICE_API_CLIENT_ID, type DeviceChangeRow } from './change-row.ts';
import {
  buildReview,
  NO_FACTS,
  type ReviewCommand,
  type ReviewFacts,
  type ReviewRefusal,
} from './device-review.ts';
import { isAlive, ordersOf, readRecord, type RecordState, register } from './merge.ts';
import { changedFields } from './paths.ts';
import { derivedId, nextStamp } from './write-back.ts';

/** What a person writes of a mission. Texts are plaintext or `enc:2:` ciphertext; `grant` is the mint's answer as it came. */
export type MissionFields = {
  title?: string | undefined;
  objective?: string | undefined;
  conceptMarkdown?: string | undefined;
  cadence?: Cadence | undefined;
  /** ISO instant; null: no next time */
  nextRunAt?: string | null | undefined;
  agentId?: string | null | undefined;
  inputs?: InputRef[] | undefined;
  grant?: Record<string, unknown> | null | undefined;
  state?: 'done' | 'archived' | undefined;
};

/** What the device API can be asked to do with one mission. */
export type DeviceCommand =
  | { kind: 'create'; fields: MissionFields }
  | { kind: 'change'; fields: MissionFields }
  | { kind: 'pause' }
  | { kind: 'resume' }
  | { kind: 'run' }
  | { kind: 'delete' }
  | ReviewCommand;

export type DeviceRefusal =
  | { code: 'MISSION_NOT_FOUND' }
  | { code: 'MISSION_EXISTS' }
  | { code: 'MISSION_NOT_ACTIVE' }
  | ReviewRefusal;

/** `row` null: the mission is already as the command wants it. `beside`: rows of other records, written with it or not at all. */
export type DeviceWrite =
  | { ok: true; row: DeviceChangeRow | null; beside?: readonly DeviceChangeRow[] }
  | { ok: false; refusal: DeviceRefusal };

/**
 * `rowId`: uuid of the row to write; the same request repeated has the same one. `state` null: no row of the mission is known.
 * `toldZone`: the IANA zone that the person told, which a new cadence of a clock time then names; absent or null: none.
 * `defaultZone`: the IANA zone for cadences that name none.
 */
export type DeviceContext = {
  userId: string;
  missionId: string;
  rowId: string;
  state: RecordState | null;
  nowMs: number;
  toldZone?: string | null;
  defaultZone: string;
  /** of a review alone */
  facts?: ReviewFacts;
};

type Written = Pick<DeviceChangeRow, 'op' | 'data'>;

/** Stands in the data of a row for the row's own stamp, which is known last. */
const STAMP = Symbol('the stamp of the row');

const NEW_MISSION = {
  title: '',
  objective: '',
  conceptMarkdown: '',
  state: 'active',
  cadence: { kind: 'manual' },
  inputs: [],
  iterations: [],
};

/**
 * The id of the row that a request writes, from its Idempotency-Key: the same request repeated writes the same row, which Postgres
 * takes once. Another body under the same key is another request.
 */
export function requestRowId(request: {
  userId: string;
  route: string;
  body: unknown;
  key: string;
}): string {
  return derivedId(
    'request',
    request.userId,
    request.route,
    canonicalJson(request.body),
    request.key,
  );
}

/** The id of a mission whose creator named none; a repeated request creates the same one. */
export function newMissionId(rowId: string): string {
  return derivedId('mission', rowId);
}

/** The one change row that a command asks for, as a device of the person would write it, on top of the merged record. */
export async function buildDeviceRow(
  context: DeviceContext,
  command: DeviceCommand,
): Promise<DeviceWrite> {
  const alive = context.state !== null && isAlive(context.state);
  if (command.kind === 'create') {
    return alive
      ? refused('MISSION_EXISTS')
      : written(context, { op: 'insert', data: created(context, zoned(context, command.fields)) });
  }
  if (context.state === null || !alive) return refused('MISSION_NOT_FOUND');
  const { state } = context;
  switch (command.kind) {
    case 'change':
      return update(context, state, rescheduled(context, zoned(context, command.fields)));
    case 'pause':
      return update(context, state, { state: 'paused' });
    case 'resume':
      return update(context, state, { state: 'active', ...timeAfterPause(context, state) });
    case 'run':
      return isActive(state)
        ? update(context, state, dueNow(context, state))
        : refused('MISSION_NOT_ACTIVE');
    case 'delete':
      return written(context, { op: 'delete', data: { deletedAt: STAMP } });
    case 'review': {
      const review = await buildReview({ facts: NO_FACTS, ...context, state }, command);
      if (!review.ok) return review;
      const write = update(context, state, review.data);
      return write.ok && review.rows.length > 0 ? { ...write, beside: review.rows } : write;
    }
    default:
      return command satisfies never;
  }
}

function created(context: DeviceContext, fields: MissionFields): Record<string, unknown> {
  const data = {
    ...formerFields(context.state),
    ...NEW_MISSION,
    ...onlyGiven(fields),
    ...identity(context),
  };
  const next = firstTime(context, fields.cadence ?? { kind: 'manual' }, firstDue);
  return fields.nextRunAt === undefined ? { ...data, nextRunAt: next } : data;
}

/** A cadence of a clock time is meant by the clock of who sends it, and says so, as long as it names no other. */
function zoned({ toldZone }: DeviceContext, fields: MissionFields): MissionFields {
  const { cadence } = fields;
  if (!toldZone || cadence === undefined) return fields;
  if (cadence.kind === 'manual' || cadence.kind === 'interval' || cadence.timeZone) return fields;
  return { ...fields, cadence: { ...cadence, timeZone: toldZone } };
}

/** A mission that is made anew takes over nothing of the one that was deleted: neither its grant nor that it is deleted. */
function formerFields(state: RecordState | null): Record<string, null> {
  const values = Object.entries(state === null ? {} : readRecord(state, ''));
  return Object.fromEntries(
    values.filter(([, value]) => value !== null).map(([name]) => [name, null]),
  );
}

/** What every record of the app has: lists are ordered by `createdAt`, and devices stamp an insert by its dates. */
function identity({ missionId, userId, ...context }: DeviceContext): Record<string, unknown> {
  const spaceId = spaceOf({ missionId, userId, ...context });
  return { id: missionId, userId, spaceId, createdAt: STAMP, updatedAt: STAMP };
}

/** A record of a person that has no space yet lives in a space of that person's alone. */
function spaceOf({ state, userId }: DeviceContext): string {
  return state?.spaceId ?? `_personal:${userId}`;
}

function onlyGiven(fields: MissionFields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A new cadence counts from now (cadence policy, rule 9), unless the person says when. */
function rescheduled(context: DeviceContext, fields: MissionFields): Record<string, unknown> {
  if (fields.cadence === undefined || fields.nextRunAt !== undefined) return fields;
  const unchanged =
    canonicalJson(valueOf(context.state, 'cadence')) === canonicalJson(fields.cadence);
  return unchanged
    ? fields
    : { ...fields, nextRunAt: firstTime(context, fields.cadence, startOf(context.state)) };
}

/** What was missed during a pause was meant to be missed: the mission goes on with its next regular time. */
function timeAfterPause(context: DeviceContext, state: RecordState): { nextRunAt?: string | null } {
  const standsMs = parseInstantMs(valueOf(state, 'nextRunAt'));
  const cadence = parseCadence(valueOf(state, 'cadence'));
  if (isActive(state) || !cadence.ok || (standsMs !== null && standsMs > context.nowMs)) return {};
  return { nextRunAt: firstTime(context, cadence.cadence, startOf(state)) };
}

/** A mission that is due already, or being run, is left alone: another time would make it run twice. */
function dueNow({ nowMs }: DeviceContext, state: RecordState): { nextRunAt?: string } {
  const standsMs = parseInstantMs(valueOf(state, 'nextRunAt'));
  return standsMs !== null && standsMs <= nowMs ? {} : { nextRunAt: new Date(nowMs).toISOString() };
}

function startOf(state: RecordState | null): typeof nextDue {
  const iterations = valueOf(state, 'iterations');
  return Array.isArray(iterations) && iterations.length > 0 ? nextDue : firstDue;
}

function firstTime(context: DeviceContext, cadence: Cadence, due: typeof nextDue): string | null {
  const { nowMs, missionId, defaultZone } = context;
  const next = due(cadence, { afterMs: nowMs, missionId, defaultZone });
  return next.ok && next.nextMs !== null ? new Date(next.nextMs).toISOString() : null;
}

/**
 * Only what differs is written: a field that is repeated would win over another device's newer value. An object that stands is written by its
 * parts, as devices do: a whole value after a part would leave them and us with different objects for good.
 */
function update(
  context: DeviceContext,
  state: RecordState,
  fields: Record<string, unknown>,
): DeviceWrite {
  const changed = Object.entries(onlyGiven(fields)).flatMap(([name, value]) =>
    changedFields(name, valueOf(state, name), value, isSameValue),
  );
  if (changed.length === 0) return { ok: true, row: null };
  return written(context, { op: 'update', data: Object.fromEntries(changed) });
}

function isSameValue(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

function written(context: DeviceContext, { op, data }: Written): DeviceWrite {
  const { userId, missionId, rowId, state, nowMs } = context;
  const names = Object.keys(data);
  // One instant for the whole row: a next time belongs to the cadence that it comes from.
  const after = state === null ? [] : names.flatMap((name) => ordersOf(state, name));
  const stamp = nextStamp({ nowMs, after: [...after, state?.existence ?? null] });
  const stamped = op === 'insert' ? [...names, '__deleted'] : names;
  return {
    ok: true,
    row: {
      id: rowId,
      appId: 'ai',
      tableName: MISSIONS_TABLE,
      recordId: missionId,
      userId,
      op,
      data: Object.fromEntries(
        Object.entries(data).map(([name, value]) => [name, value === STAMP ? stamp : value]),
      ),
      fieldMeta: Object.fromEntries(stamped.map((name) => [name, stamp])),
      clientId: DEVICE_API_CLIENT_ID,
      actor: { kind: 'user', principalId: userId, displayName: 'mana-edge API' },
      origin: 'user',
      spaceId: op === 'insert' ? spaceOf(context) : (state?.spaceId ?? null),
    },
  };
}

function refused(code: 'MISSION_NOT_FOUND' | 'MISSION_EXISTS' | 'MISSION_NOT_ACTIVE'): DeviceWrite {
  return { ok: false, refusal: { code } };
}

function isActive(state: RecordState): boolean {
  return valueOf(state, 'state') === 'active';
}

function valueOf(state: RecordState | null, field: string): unknown {
  return state === null ? null : (register(state, field)?.value ?? null);
}
