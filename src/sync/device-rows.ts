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
import { isAlive, type RecordState, register } from './merge.ts';
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
 * `defaultZone`: the IANA zone for cadences that name none.
 */
export type DeviceContext = {
  userId: string;
  missionId: string;
  rowId: string;
  state: RecordState | null;
  nowMs: number;
  defaultZone: string;
  /** of a review alone */
  facts?: ReviewFacts;
};

type Written = Pick<DeviceChangeRow, 'op' | 'data'>;

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
      : written(context, { op: 'insert', data: created(context, command.fields) });
  }
  if (context.state === null || !alive) return refused('MISSION_NOT_FOUND');
  const { state } = context;
  switch (command.kind) {
    case 'change':
      return update(context, state, rescheduled(context, command.fields));
    case 'pause':
      return update(context, state, { state: 'paused' });
    case 'resume':
      return update(context, state, { state: 'active', ...timeAfterPause(context, state) });
    case 'run':
      return isActive(state)
        ? update(context, state, dueNow(context, state))
        : refused('MISSION_NOT_ACTIVE');
    case 'delete':
      return written(context, { op: 'delete', data: {} });
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
  // A mission that was deleted by this field comes back only when the field goes.
  const wasDeleted = valueOf(context.state, 'deletedAt') === null ? {} : { deletedAt: null };
  const data = { ...NEW_MISSION, ...wasDeleted, ...onlyGiven(fields) };
  const next = firstTime(context, fields.cadence ?? { kind: 'manual' }, firstDue);
  return fields.nextRunAt === undefined ? { ...data, nextRunAt: next } : data;
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

/** Only what differs is written: a field that is repeated would win over another device's newer value. */
function update(
  context: DeviceContext,
  state: RecordState,
  fields: Record<string, unknown>,
): DeviceWrite {
  const changed = Object.entries(fields).filter(
    ([name, value]) =>
      value !== undefined && canonicalJson(value) !== canonicalJson(valueOf(state, name)),
  );
  if (changed.length === 0) return { ok: true, row: null };
  return written(context, { op: 'update', data: Object.fromEntries(changed) });
}

function written(context: DeviceContext, { op, data }: Written): DeviceWrite {
  const { userId, missionId, rowId, state, nowMs } = context;
  const names = Object.keys(data);
  // One instant for the whole row: a next time belongs to the cadence that it comes from.
  const after = [
    ...names.map((name) => (state === null ? null : register(state, name))),
    state?.existence ?? null,
  ];
  const stamp = nextStamp({ nowMs, after });
  const stamped = op === 'update' ? names : [...names, '__deleted'];
  return {
    ok: true,
    row: {
      id: rowId,
      appId: 'ai',
      tableName: MISSIONS_TABLE,
      recordId: missionId,
      userId,
      op,
      data,
      fieldMeta: Object.fromEntries(stamped.map((name) => [name, stamp])),
      clientId: DEVICE_API_CLIENT_ID,
      actor: { kind: 'user', principalId: userId, displayName: 'mana-edge API' },
      origin: 'user',
      spaceId: state?.spaceId ?? null,
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
