import { v5 } from 'uuid';
import {
  type ChangeRow,
  type DeviceChangeRow,
  type NewChangeRow,
  RUNNER_CLIENT_ID,
} from './change-row.ts';
import { isRecord } from '../values/fields.ts';
import { MISSIONS_TABLE } from '../values/tables.ts';
import { dropOldRunnerIterations, iterationId } from './iterations.ts';
import { isAlive, type Order, type RecordState, type Register, register } from './merge.ts';
import { LATEST_US } from '../values/stamps.ts';

/** Every id that we derive hangs below this one. Never change it: runs in flight would be written twice. */
const NAMESPACE = '6f1c2a52-7a0e-4c0b-9f43-2d8be5a1c7d4';

/** The actor of rows that no agent stands behind (facts: records). */
export const SYSTEM_ACTOR = {
  kind: 'system',
  principalId: 'system:mission-runner',
  displayName: 'Mission-Runner',
} as const;

/** Ids of one run (uuids): the same whenever the same due time of the same mission is run again. */
export type RunIdentity = { runId: string; iterationId: string; rowId: string };

/** What every builder needs; `nowMs` since the epoch. */
export type WriteBackContext = {
  userId: string;
  missionId: string;
  state: RecordState;
  nowMs: number;
};

/**
 * The ids of the run that the winning `nextRunAt` asks for. A repeated run writes the same row id, which Postgres then refuses.
 * The name is JSON: it keeps the parts apart and stands for any text, broken surrogates included.
 */
export function runIdentity(run: {
  userId: string;
  missionId: string;
  nextRunAt: Register;
}): RunIdentity {
  const { value, stampUs, rowId } = run.nextRunAt;
  const runId = v5(JSON.stringify([run.userId, run.missionId, value, stampUs, rowId]), NAMESPACE);
  return { runId, iterationId: v5('iteration', runId), rowId: v5('row', runId) };
}

/** A UUIDv5; each kind of id has a namespace of its own. */
export function derivedId(
  kind: 'reschedule' | 'repair' | 'move-on' | 'request' | 'mission',
  ...parts: readonly (string | number)[]
): string {
  return v5(JSON.stringify(parts), v5(kind, NAMESPACE));
}

/** How far the clock of the device that wrote an insert may be past the stamp that everybody else gives it (facts: stamps of inserts). */
const AFTER_INSERT_MS = 5_000;

/**
 * A stamp that wins over the writes in `after` (those it has to beat; null: none), in `toISOString()` form: the latest of now, 1 ms after each of
 * them and 5 s after an insert. At the end of the range of stamps it is equal instead, and the later created_at wins.
 */
export function nextStamp(stamp: { nowMs: number; after: readonly (Order | null)[] }): string {
  const beaten = stamp.after
    .filter((order) => order !== null)
    .map(
      ({ stampUs, fromInsert }) => Math.floor(stampUs / 1000) + (fromInsert ? AFTER_INSERT_MS : 1),
    );
  return new Date(Math.min(Math.max(stamp.nowMs, ...beaten), LATEST_US / 1000)).toISOString();
}

/**
 * The row of a finished run: the merged iterations with ours added (or replaced, by id), and the next time.
 * - null: the mission is deleted and gets nothing.
 * - Without `nextRunAt` where the mission is not active any more, or where `dueRegister` (the nextRunAt that made it due) no longer
 *   wins: then the person's newer value stands.
 * `nextRunAt` has to come from the cadence in this very `state`: the row settles it against cadence changes that came before.
 */
export function buildIterationRow(
  write: WriteBackContext & {
    identity: RunIdentity;
    dueRegister: Register;
    /** plain JSON; its id is identity.iterationId */
    iteration: { readonly id: string };
    /** ISO instant; null: there is no next time */
    nextRunAt: string | null;
    actor: Record<string, unknown>;
  },
): NewChangeRow | null {
  const { state, nowMs } = write;
  if (!isAlive(state)) return null;
  const iterations = register(state, 'iterations');
  const nextRunAt = register(state, 'nextRunAt');
  const moves = isActive(state) && nextRunAt !== null && isSameWrite(nextRunAt, write.dueRegister);
  return newRow(write, {
    id: write.identity.rowId,
    data: {
      iterations: withIteration(iterations?.value, write.iteration),
      ...(moves ? { nextRunAt: write.nextRunAt } : {}),
    },
    fieldMeta: {
      iterations: nextStamp({ nowMs, after: [iterations] }),
      ...(moves ? { nextRunAt: nextStamp({ nowMs, after: [nextRunAt] }) } : {}),
    },
    actor: write.actor,
    origin: 'agent',
  });
}

/**
 * The row that a changed cadence asks for: `nextRunAt` alone (ISO instant, or null where there is no next time). null where there is
 * nothing to do: the mission is dead or not active, it has no cadence, somebody (a device or we) wrote nextRunAt with or after the
 * cadence, or there was no time and there is none.
 *
 * A time that happens to be the same is written all the same: it is the newer stamp that settles the matter. Without it the question
 * would be open still when the time comes, and the answer from then on is the time after it: a run would be lost.
 */
export function buildRescheduleRow(
  write: WriteBackContext & { nextRunAt: string | null },
): NewChangeRow | null {
  const { userId, missionId, state, nowMs } = write;
  const cadence = register(state, 'cadence');
  const current = register(state, 'nextRunAt');
  if (!isAlive(state) || !isActive(state) || cadence === null) return null;
  if (current !== null && current.stampUs >= cadence.stampUs) return null;
  if (write.nextRunAt === null && (current?.value ?? null) === null) return null;
  return newRow(write, {
    id: derivedId('reschedule', userId, missionId, cadence.stampUs, cadence.rowId),
    data: { nextRunAt: write.nextRunAt },
    fieldMeta: { nextRunAt: nextStamp({ nowMs, after: [cadence, current] }) },
    actor: SYSTEM_ACTOR,
    origin: 'system',
  });
}

/**
 * The row that takes a mission to its next time (ISO instant or null) where the run that `dueRegister` asked for is in the log already, but left
 * the time alone because the mission was not active then. null where the mission is dead or not active, or somebody moved the time.
 */
export function buildMoveOnRow(
  write: WriteBackContext & {
    identity: RunIdentity;
    dueRegister: Register;
    nextRunAt: string | null;
  },
): NewChangeRow | null {
  const { state, nowMs, nextRunAt, identity } = write;
  const current = register(state, 'nextRunAt');
  if (
    !isAlive(state) ||
    !isActive(state) ||
    current === null ||
    !isSameWrite(current, write.dueRegister)
  )
    return null;
  return newRow(write, {
    id: derivedId('move-on', identity.runId),
    data: { nextRunAt },
    fieldMeta: { nextRunAt: nextStamp({ nowMs, after: [current] }) },
    actor: SYSTEM_ACTOR,
    origin: 'system',
  });
}

/** A row of ours on a mission, in the mission's space. */
export function newRow(
  context: WriteBackContext,
  parts: Pick<NewChangeRow, 'id' | 'data' | 'fieldMeta' | 'actor' | 'origin'>,
): NewChangeRow {
  return {
    appId: 'ai',
    tableName: MISSIONS_TABLE,
    recordId: context.missionId,
    userId: context.userId,
    op: 'update',
    clientId: RUNNER_CLIENT_ID,
    spaceId: context.state.spaceId,
    ...parts,
  };
}

/** The row of ours as it will be read back, for the projection. `createdAt`: see ChangeRow. */
export function toRow(row: NewChangeRow | DeviceChangeRow, createdAt: string): ChangeRow {
  const { id, tableName, recordId, op, data, fieldMeta, clientId, actor, origin, spaceId } = row;
  return {
    id,
    tableName,
    recordId,
    op,
    data,
    fieldMeta,
    clientId,
    createdAt,
    schemaVersion: 1,
    actor,
    origin,
    spaceId,
  };
}

/** Elements of devices stay as they are, also those we cannot read; ours stands where its id stood, else at the end. */
function withIteration(value: unknown, iteration: { readonly id: string }): unknown[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  const position = items.findIndex((item) => iterationId(item) === iteration.id);
  if (position === -1) return dropOldRunnerIterations([...items, iteration]);
  const others = (item: unknown) => iterationId(item) !== iteration.id;
  const replaced = { ...feedbackOf(items[position]), ...iteration };
  return dropOldRunnerIterations([
    ...items.slice(0, position),
    replaced,
    ...items.slice(position + 1).filter((item) => others(item)),
  ]);
}

/** What the person wrote about an iteration outlives our newer version of it. */
function feedbackOf(item: unknown): { userFeedback?: unknown } {
  return isRecord(item) && Object.hasOwn(item, 'userFeedback')
    ? { userFeedback: item['userFeedback'] }
    : {};
}

function isActive(state: RecordState): boolean {
  return register(state, 'state')?.value === 'active';
}

/** created_at is left out: the projection may hold a row of ours before Postgres' own time for it is known. */
function isSameWrite(a: Register, b: Register): boolean {
  return (
    a.rowId === b.rowId &&
    a.stampUs === b.stampUs &&
    JSON.stringify(a.value) === JSON.stringify(b.value)
  );
}
