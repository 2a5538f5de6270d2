import {
  carriedRowId,
  type SealForm,
  unsealedField,
  type Write,
  wrongWrites,
} from '../carry-out/index.ts';
import { findTable } from '../carry-out/tables.ts';
import { formatStamp, parseStamp } from '../values/stamps.ts';
import { DEVICE_API_CLIENT_ID, type DeviceChangeRow } from './change-row.ts';
import { applyRow, isAlive, type RecordState, register } from './merge.ts';
import { keyText, type PersonRecord, personRecord } from './person-record.ts';
import { nextStamp, toRow } from './write-back.ts';

/** What the log says of the records that a review writes to. */
export type CarryOutFacts = {
  /** how this person's encrypted fields are written */
  sealing: SealForm;
  /** by `keyText`; a record of which no row stands is missing */
  records: ReadonlyMap<string, RecordState>;
  /** ids of the rows that stand already, of all that are to be written */
  standing: ReadonlySet<string>;
  /** spaces in which the person may make records */
  spaces: ReadonlySet<string>;
};

/** A step that is carried out, and where. */
export type CarriedStep = {
  userId: string;
  missionId: string;
  iterationId: string;
  stepId: string;
  toolName: string;
  /** the mission's space */
  spaceId: string | null;
  nowMs: number;
};

/** RECORD_CHANGED: `record` is as it stands now; null where there is none. */
export type CarryOutObjection =
  | { code: 'BAD_REQUEST'; problem: string }
  | { code: 'MUST_BE_SEALED'; field: string; sealing: SealForm }
  | { code: 'RECORD_CHANGED'; record: PersonRecord | null };

/**
 * How far a device's clock may be away from ours before its own times are not taken for the stamps
 * of an insert.
 */
const CLOCK_SKEW_US = 10 * 60 * 1_000_000;

/** Whether the rows of a step may be written as they are; null where they may. */
export function objectionTo(
  step: CarriedStep,
  writes: readonly Write[],
  facts: CarryOutFacts,
): CarryOutObjection | null {
  const problem = wrongWrites(step.toolName, writes, step) ?? foreignSpace(step, writes, facts);
  if (problem !== null) return { code: 'BAD_REQUEST', problem };
  const field = facts.sealing === 'plain' ? null : unsealedField(writes);
  if (field !== null) return { code: 'MUST_BE_SEALED', field, sealing: facts.sealing };
  return changedRecord(writes, facts);
}

/**
 * The change rows of a step, in the order of its writes. The app's executor would write them as
 * this person's device: so do we. What a record that is made lacks of what every record has is
 * filled in; its dates are the stamps of its fields.
 */
export function carriedRows(
  step: CarriedStep,
  writes: readonly Write[],
  facts: CarryOutFacts,
): DeviceChangeRow[] {
  const states = new Map(facts.records);
  return writes.map((write, n) => {
    const key = keyText(write);
    const row = carriedRow(step, write, n, states.get(key) ?? null);
    // A later row of the same step has to win over this one.
    states.set(
      key,
      applyRow(states.get(key) ?? null, toRow(row, formatStamp(step.nowMs * 1000))).state,
    );
    return row;
  });
}

function carriedRow(
  step: CarriedStep,
  write: Write,
  n: number,
  state: RecordState | null,
): DeviceChangeRow {
  const { userId, stepId, missionId, iterationId, nowMs } = step;
  const { appId, table, recordId, op } = write;
  const stamp = stampOf(write, state, nowMs);
  const data = dataOf(step, write, stamp);
  const names = Object.keys(data);
  const { spaceId } = op === 'insert' ? data : { spaceId: state?.spaceId };
  return {
    id: carriedRowId(userId, stepId, n),
    appId,
    tableName: table,
    recordId,
    userId,
    op,
    data,
    fieldMeta: Object.fromEntries(
      (op === 'insert' ? [...names, '__deleted'] : names).map((name) => [name, stamp]),
    ),
    clientId: DEVICE_API_CLIENT_ID,
    actor: {
      kind: 'user',
      principalId: userId,
      displayName: 'mana-edge API',
      missionId,
      iterationId,
      stepId,
    },
    origin: 'user',
    spaceId: typeof spaceId === 'string' ? spaceId : null,
  };
}

/**
 * Wins over what it writes to. Of a new record it is the moment that the device says it was made
 * at, where its clock is right.
 */
function stampOf({ op, data }: Write, state: RecordState | null, nowMs: number): string {
  const made = op === 'insert' ? parseStamp(data['updatedAt']) : null;
  if (state === null && made !== null && Math.abs(made - nowMs * 1000) < CLOCK_SKEW_US)
    return new Date(Math.floor(made / 1000)).toISOString();
  const after = state === null ? [] : Object.keys(data).map((name) => register(state, name));
  const existence = op === 'update' ? null : (state?.existence ?? null);
  return nextStamp({ nowMs, after: [...after, existence] });
}

function dataOf(step: CarriedStep, write: Write, stamp: string): Record<string, unknown> {
  const { op, data, recordId } = write;
  if (op === 'delete') return { deletedAt: stamp };
  if (op === 'update') return data;
  const { userId, spaceId } = step;
  const isOfPerson = findTable(write.appId, write.table)?.userLevel === true;
  const common = isOfPerson
    ? { userId }
    : { spaceId: spaceId ?? `_personal:${userId}`, authorId: userId, visibility: 'space' };
  const createdAt = parseStamp(data['createdAt']) === null ? stamp : data['createdAt'];
  return { ...common, ...data, id: recordId, createdAt, updatedAt: stamp };
}

function foreignSpace(
  { userId, spaceId }: CarriedStep,
  writes: readonly Write[],
  { spaces }: CarryOutFacts,
): string | null {
  for (const [n, { op, data }] of writes.entries()) {
    const named = op === 'insert' ? (data['spaceId'] ?? null) : null;
    if (named === null || named === spaceId || named === `_personal:${userId}`) continue;
    if (typeof named !== 'string' || !spaces.has(named))
      return `writes[${n}]: spaceId is no space of yours.`;
  }
  return null;
}

/**
 * A record that was changed, deleted or made since the person saw it; the rows of this step that
 * stand already do not count.
 */
function changedRecord(
  writes: readonly Write[],
  { records }: CarryOutFacts,
): CarryOutObjection | null {
  const made = new Set<string>();
  for (const write of writes) {
    const key = keyText(write);
    const state = records.get(key) ?? null;
    if (write.op === 'insert') {
      // Only a literal id can be taken already; one that a payment has is written again, as the app
      // does it.
      if (state !== null && isAlive(state) && !write.recordId.includes('-tx-'))
        return { code: 'RECORD_CHANGED', record: personRecord(write, state) };
      made.add(key);
    } else if (!made.has(key)) {
      if (state === null) return { code: 'RECORD_CHANGED', record: null };
      if (!isAlive(state) || isNewer(state, write.basis ?? {}))
        return { code: 'RECORD_CHANGED', record: personRecord(keyOf(write), state) };
    }
  }
  return null;
}

function isNewer(state: RecordState, basis: Readonly<Record<string, string>>): boolean {
  return Object.entries(basis).some(([field, seen]) => {
    const stands = register(state, field);
    return stands !== null && stands.stampUs > (parseStamp(seen) ?? Number.NEGATIVE_INFINITY);
  });
}

function keyOf({ appId, table, recordId }: Write) {
  return { appId, table, recordId };
}
