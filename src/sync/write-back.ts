import { v5 as uuidV5 } from 'uuid';
import { type Actor, type ChangeRow, type NewChangeRow, RUNNER_CLIENT_ID } from './change-row.ts';
import { isAlive, isSameWrite, type RecordState, type Register, winning } from './merge.ts';
import { ceilToMs } from './stamps.ts';

/** Namespace of every id that the runner derives (RFC 9562, section 5.5). Never changed: it is what keeps repeats apart. */
const NAMESPACE = '5b0f6b5e-8a9f-4a0b-9c56-2f7f2f1f4f11';

/** Of our own finished iterations that many stay; those that await review stay anyway. */
const MOST_OWN_ITERATIONS = 200;

const SYSTEM_ACTOR: Actor = { kind: 'system', principalId: 'system:mission-runner', displayName: 'Mission-Runner' };

export type RunIdentity = { runId: string; iterationId: string; rowId: string };

/**
 * The ids of a run, derived from what made the mission due: a run that is repeated after a crash has the same ids.
 * @param due the winning register of `nextRunAt`
 */
export function runIdentity(userId: string, missionId: string, due: Register): RunIdentity {
  const runId = derivedId([userId, missionId, due.value, due.stampUs, due.rowId]);
  return { runId, iterationId: derivedId([runId, 'iteration']), rowId: derivedId([runId, 'row']) };
}

export type IterationWrite = {
  userId: string;
  missionId: string;
  state: RecordState;
  rowId: string;
  /** the register of `nextRunAt` that made the mission due */
  due: Register;
  iteration: { id: string } & Record<string, unknown>;
  /** when the mission is due next; null where there is no next time */
  nextRunAt: string | null;
  nowMs: number;
  actor: Actor;
};

/**
 * The row that ends a run; null where the mission was deleted meanwhile. `nextRunAt` is left out where the person set another one
 * during the run, or where the mission is not active any more.
 * @see design: "Write-back"
 */
export function buildIterationRow(write: IterationWrite): NewChangeRow | null {
  const { state, due, nowMs } = write;
  if (!isAlive(state)) return null;
  const data: Record<string, unknown> = { iterations: mergedIterations(state, write.iteration) };
  const held = winning(state, 'nextRunAt');
  const stillDue = held !== undefined && isSameWrite(held, due) && winning(state, 'state')?.value === 'active';
  if (stillDue) data['nextRunAt'] = write.nextRunAt;
  return {
    ...rowFrame(write.userId, write.missionId, state),
    id: write.rowId,
    data,
    fieldMeta: stamps(state, Object.keys(data), nowMs),
    actor: write.actor,
    origin: 'agent',
  };
}

export type Reschedule = { userId: string; missionId: string; state: RecordState; nextRunAt: string | null; nowMs: number };

/** Whether the cadence was changed after `nextRunAt` was last set, so that the time that stands there belongs to an older cadence. */
export function needsReschedule(state: RecordState): boolean {
  if (!isAlive(state) || winning(state, 'state')?.value !== 'active') return false;
  const cadence = winning(state, 'cadence');
  const nextRunAt = winning(state, 'nextRunAt');
  return cadence !== undefined && (nextRunAt === undefined || nextRunAt.stampUs < cadence.stampUs);
}

/** The row that moves a mission to its changed cadence; its id is derived from that change, so that it is written once. */
export function buildRescheduleRow({ userId, missionId, state, nextRunAt, nowMs }: Reschedule): NewChangeRow | null {
  const cadence = winning(state, 'cadence');
  if (cadence === undefined || !needsReschedule(state)) return null;
  if (nextRunAt === null && winning(state, 'nextRunAt') === undefined) return null;
  const earliestMs = ceilToMs(cadence.stampUs) + 1;
  return {
    ...rowFrame(userId, missionId, state),
    id: derivedId([userId, missionId, 'cadence', cadence.stampUs, cadence.rowId]),
    data: { nextRunAt },
    fieldMeta: stamps(state, ['nextRunAt'], Math.max(nowMs, earliestMs)),
    actor: SYSTEM_ACTOR,
    origin: 'system',
  };
}

/** Our own row as the log shows it once it is written. */
export function toRow(row: NewChangeRow, createdAt: string): ChangeRow {
  const { id, tableName, recordId, op, data, fieldMeta, clientId, spaceId } = row;
  return { id, tableName, recordId, op, data, fieldMeta, clientId, createdAt, schemaVersion: 1, spaceId };
}

/** Later than now and than every stamp that stands there: a device's clock may run ahead. */
function stamps(state: RecordState, fields: readonly string[], nowMs: number): Record<string, string> {
  return Object.fromEntries(fields.map((field) => [field, new Date(stampMs(state, field, nowMs)).toISOString()]));
}

function stampMs(state: RecordState, field: string, nowMs: number): number {
  const held = winning(state, field);
  return held === undefined ? nowMs : Math.max(nowMs, ceilToMs(held.stampUs) + 1);
}

/** Ours replaces its earlier version or goes last; nothing of a device is dropped. */
function mergedIterations(state: RecordState, iteration: { id: string }): unknown[] {
  const held = winning(state, 'iterations')?.value;
  const others = (Array.isArray(held) ? (held as unknown[]) : []).filter((item) => idOf(item) !== iteration.id);
  return withoutOldest([...others, iteration]);
}

function withoutOldest(items: readonly unknown[]): unknown[] {
  let surplus = items.filter(isFinishedOwn).length - MOST_OWN_ITERATIONS;
  return items.filter((item) => !(isFinishedOwn(item) && surplus-- > 0));
}

function isFinishedOwn(item: unknown): boolean {
  return fieldOf(item, 'source') === 'server' && fieldOf(item, 'overallStatus') !== 'awaiting-review';
}

function idOf(item: unknown): unknown {
  return fieldOf(item, 'id');
}

function fieldOf(item: unknown, field: string): unknown {
  return typeof item === 'object' && item !== null && Object.hasOwn(item, field)
    ? (item as Record<string, unknown>)[field]
    : undefined;
}

function rowFrame(userId: string, missionId: string, state: RecordState) {
  return {
    appId: 'ai',
    tableName: 'aiMissions',
    recordId: missionId,
    userId,
    op: 'update',
    clientId: RUNNER_CLIENT_ID,
    spaceId: state.space?.id ?? null,
  } as const;
}

function derivedId(parts: readonly unknown[]): string {
  return uuidV5(JSON.stringify(parts), NAMESPACE);
}
