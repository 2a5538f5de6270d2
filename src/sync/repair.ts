/**
 * Lost iterations: devices write a mission's `iterations` as one array, so one that has not seen an iteration of ours wipes it out
 * when it writes; and a row of ours that crosses a device's write wipes out what the device wrote. The repair restores both.
 *
 * Which device row counts. Last-writer-wins leaves one array, so only the device row with the highest stamp has a say in what the
 * array should be (what it wiped out of another *device's* items is those devices' own affair). Wanted = its items, plus each runner
 * iteration that its client never carried, in its latest version. Two refinements, both needed with two devices:
 *
 * 1. What *any* device deleted on purpose stays deleted, also when another device, which never carried it, writes later. On purpose
 *    means: the row leaves out what an earlier row of the same client carried. It ends when a later row carries the iteration again.
 * 2. A device that leaves out what it once carried may have inherited the gap: another device has overwritten the iteration blindly,
 *    with a write that wins over the one in which it was carried. Such a row is no deletion, nor is a later one until the device
 *    carries the iteration again. The log cannot tell both apart, and a proposal shown once more is the smaller harm.
 *
 * "Earlier" is the order of arrival (created_at, id): whatever the clocks of the devices say, nobody leaves out or inherits what had not
 * arrived.
 */
import { type ChangeRow, isDeviceRow, type NewChangeRow } from './change-row.ts';
import {
  awaitsReview,
  dropOldRunnerIterations,
  isRunnerIteration,
  isRunning,
  iterationId,
  KEPT_ITERATIONS,
  startedUs,
} from './iterations.ts';
import { compareIds, compareOrder, isAlive, isObject, type Order, orderOf, register, SCHEMA_VERSION } from './merge.ts';
import { derivedId, newRow, nextStamp, SYSTEM_ACTOR, type WriteBackContext } from './write-back.ts';

/** A row that writes the array; a value that is no array counts as an empty one. */
type Carrier = { row: ChangeRow; order: Order; items: readonly unknown[]; byId: ReadonlyMap<string, unknown> };

/** What the log says about one iteration of ours. */
type RunnerIteration = {
  id: string;
  /** as the last device row has it that carries it; else as our last row has it */
  latest: unknown;
  /** our last version that is not 'running'; a device never takes one back to that */
  finished?: unknown;
};

/**
 * The repair that a mission still needs; null where there is none.
 * @param repair `rows`: all rows of this mission that carry `iterations`, ours and the devices', in any order; `state`: their merge
 *   with all other rows of the mission. At most one repair is written per device row (its id is derived from that row), and none
 *   is caused by a row of ours: once the repair is merged, the answer is null until a device writes again.
 */
export function repairRow(repair: WriteBackContext & { rows: Iterable<ChangeRow> }): NewChangeRow | null {
  const { userId, missionId, state, nowMs } = repair;
  if (!isAlive(state)) return null;
  const carriers = readCarriers(repair.rows, missionId);
  const devices = carriers.filter(({ row }) => isDeviceRow(row));
  const winner = devices.toSorted((a, b) => compareOrder(b.order, a.order))[0];
  if (!winner) return null;

  const merged = register(state, 'iterations');
  const items = repairedItems({ carriers, devices, winner, merged: merged?.value });
  const cause = items && causeOf(carriers, winner, devices);
  if (!items || !cause) return null;
  return newRow(
    { userId, missionId, state, nowMs },
    {
      id: repairId(cause),
      data: { iterations: items },
      fieldMeta: { iterations: nextStamp({ nowMs, after: [merged, winner.order] }) },
      actor: SYSTEM_ACTOR,
      origin: 'system',
    },
  );
}

function repairId(row: ChangeRow): string {
  return derivedId('repair', row.id);
}

/** The device row to which a repair is charged: the winner, or (it had its repair) the newest that had none; null: none left. */
function causeOf(carriers: readonly Carrier[], winner: Carrier, devices: readonly Carrier[]): ChangeRow | null {
  const known = new Set(carriers.map(({ row }) => row.id));
  const free = [winner, ...devices.toReversed()].find(({ row }) => !known.has(repairId(row)));
  return free?.row ?? null;
}

/** The array that should stand; null where the merged one will do. Order is no reason for a repair, nor what we may have dropped. */
function repairedItems(log: {
  carriers: readonly Carrier[];
  devices: readonly Carrier[];
  winner: Carrier;
  merged: unknown;
}): unknown[] | null {
  const ours = log.carriers.filter(({ row }) => !isDeviceRow(row));
  const runner = readRunnerIterations(ours, log.devices);
  const allowed = wantedItems(log.winner, runner, deletedIds(log.devices, [...runner.keys()]));
  const required = canonicalSet(dropOldRunnerIterations(withoutDropped(allowed, log.winner, ours)));
  const merged = canonicalSet(Array.isArray(log.merged) ? log.merged : []);
  const allowedTexts = allowed.map(canonical);
  const missing = [...required].some((text) => !merged.has(text));
  const known = new Set(allowedTexts);
  const surplus = [...merged].some((text) => !known.has(text));
  if (!missing && !surplus) return null;
  return allowed.filter((_, index) => required.has(allowedTexts[index]!) || merged.has(allowedTexts[index]!));
}

/** The winner's items and what of ours it never saw, in the order in which we wrote them. */
function wantedItems(
  winner: Carrier,
  runner: ReadonlyMap<string, RunnerIteration>,
  deleted: ReadonlySet<string>,
): unknown[] {
  const own = winner.items.map((item) => versionOf(item, runner.get(iterationId(item) ?? '')));
  const unseen = [...runner.values()].filter(({ id }) => !winner.byId.has(id) && !deleted.has(id));
  return [...own, ...unseen.map((iteration) => versionOf(iteration.latest, iteration))];
}

function versionOf(item: unknown, iteration: RunnerIteration | undefined): unknown {
  return isRunning(item) && iteration?.finished !== undefined ? iteration.finished : item;
}

/** Leaves out what a row of ours dropped for its age: the row holds KEPT_ITERATIONS of ours that are newer. */
function withoutDropped(items: readonly unknown[], winner: Carrier, ours: readonly Carrier[]): unknown[] {
  const limits = ours.map((carrier) => oldestKeptUs(carrier.items));
  const limit = limits.reduce((a, b) => Math.max(a, b), -Infinity);
  const isDropped = (item: unknown): boolean =>
    isRunnerIteration(item) &&
    !winner.byId.has(iterationId(item) ?? '') &&
    !awaitsReview(item) &&
    startedUs(item) < limit;
  return items.filter((item) => !isDropped(item));
}

function oldestKeptUs(items: readonly unknown[]): number {
  const starts = items.filter(isRunnerIteration).map(startedUs);
  if (starts.length < KEPT_ITERATIONS) return -Infinity;
  return starts.toSorted((a, b) => b - a)[KEPT_ITERATIONS - 1]!;
}

/** Which of our iterations the devices have deleted on purpose; `devices` in order of arrival. */
function deletedIds(devices: readonly Carrier[], runnerIds: readonly string[]): ReadonlySet<string> {
  const deleted = new Set<string>();
  /** by iteration: the write that wins among those which lacked it without their client's having decided so */
  const blind = new Map<string, Order>();
  /** by client and iteration: the last write that carried it */
  const carried = new Map<string, Map<string, Order>>();
  for (const { row, order, byId } of devices) {
    const seen = carried.get(row.clientId) ?? new Map<string, Order>();
    carried.set(row.clientId, seen);
    for (const id of runnerIds) {
      if (byId.has(id)) {
        seen.set(id, order);
        deleted.delete(id);
      } else if (isOnPurpose(seen.get(id), blind.get(id))) {
        deleted.add(id);
      } else if (!deleted.has(id)) {
        blind.set(id, laterOf(blind.get(id), order));
      }
    }
  }
  return deleted;
}

/** A device sees what wins: it can only inherit a gap from a write that beats the one in which it carried the iteration. */
function isOnPurpose(carried: Order | undefined, blind: Order | undefined): boolean {
  return carried !== undefined && (blind === undefined || compareOrder(carried, blind) > 0);
}

function laterOf(a: Order | undefined, b: Order): Order {
  return a !== undefined && compareOrder(a, b) > 0 ? a : b;
}

/** Our iterations by id, in the order in which we wrote them first. */
function readRunnerIterations(ours: readonly Carrier[], devices: readonly Carrier[]): Map<string, RunnerIteration> {
  const iterations = new Map<string, RunnerIteration>();
  for (const { byId } of ours.toSorted((a, b) => compareOrder(a.order, b.order))) {
    for (const [id, item] of byId) {
      if (!isRunnerIteration(item)) continue;
      const finished = isRunning(item) ? iterations.get(id)?.finished : item;
      iterations.set(id, { id, latest: item, ...(finished === undefined ? {} : { finished }) });
    }
  }
  for (const { byId } of devices.toSorted((a, b) => compareOrder(a.order, b.order))) {
    for (const [id, item] of byId) {
      const known = iterations.get(id);
      if (known) iterations.set(id, { ...known, latest: item });
    }
  }
  return iterations;
}

/** The usable rows, each once, in order of arrival. */
function readCarriers(rows: Iterable<ChangeRow>, missionId: string): Carrier[] {
  const byRowId = new Map<string, Carrier>();
  for (const row of rows) {
    if (row.op === 'delete' || row.schemaVersion > SCHEMA_VERSION || row.recordId !== missionId) continue;
    if (!isObject(row.data) || !Object.hasOwn(row.data, 'iterations')) continue;
    const value = row.data['iterations'];
    const items: readonly unknown[] = Array.isArray(value) ? value : [];
    byRowId.set(row.id, { row, order: orderOf(row, 'iterations'), items, byId: indexItems(items) });
  }
  return [...byRowId.values()].toSorted(
    (a, b) => a.order.createdUs - b.order.createdUs || compareIds(a.row.id, b.row.id),
  );
}

function indexItems(items: readonly unknown[]): ReadonlyMap<string, unknown> {
  const byId = new Map<string, unknown>();
  for (const item of items) {
    const id = iterationId(item);
    if (id !== null && !byId.has(id)) byId.set(id, item);
  }
  return byId;
}

function canonicalSet(items: readonly unknown[]): Set<string> {
  return new Set(items.map(canonical));
}

/** JSON text with sorted keys: jsonb gives an object back with its keys in another order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => compareIds(a, b))) : inner,
  );
}
