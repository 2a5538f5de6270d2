/**
 * Lost iterations: devices write a mission's `iterations` as one array, so one that has not seen an iteration of ours wipes it out
 * when it writes; and a row of ours that crosses a device's write wipes out what the device wrote. The repair restores both.
 *
 * Last-writer-wins leaves one array, so only the device row with the highest stamp has a say in what the array should be (what it wiped out
 * of another *device's* items is those devices' own affair). Wanted are its items and each iteration of ours that it lacks, in its latest
 * version, and every step as far as its outcome (outcomes.ts). No client has a way to delete an iteration, so one that is missing was
 * never seen, or was taken out by an app that brought back an older copy of the array.
 */
import { canonicalJson } from '../values/canonical-json.ts';
import { isRecord } from '../values/fields.ts';
import {
  DEVICE_API_CLIENT_ID,
  type ChangeRow,
  isDeviceRow,
  type NewChangeRow,
} from './change-row.ts';
import {
  awaitsReview,
  dropOldRunnerIterations,
  isRunnerIteration,
  isRunning,
  iterationId,
  KEPT_ITERATIONS,
  startedUs,
} from './iterations.ts';
import {
  compareIds,
  compareOrder,
  isAlive,
  type Order,
  orderOf,
  ordersOf,
  type RecordState,
  SCHEMA_VERSION,
  writtenRegister,
} from './merge.ts';
import { joinOutcomes, type Outcomes, withOutcomes } from './outcomes.ts';
import { derivedId, newRow, nextStamp, SYSTEM_ACTOR, type WriteBackContext } from './write-back.ts';

/** What stays in memory of a row that writes the array. */
type Carrier = {
  rowId: string;
  isDevice: boolean;
  order: Order;
  /** start of the oldest of ours among the KEPT_ITERATIONS newest; -Infinity where there are fewer */
  oldestKeptUs: number;
};

/** The device row that has the say; a value that is no array counts as an empty one. */
type Winner = { rowId: string; order: Order; items: readonly unknown[]; ids: ReadonlySet<string> };

type Version = { item: unknown; order: Order };

/** The versions of one iteration of ours. */
type Versions = {
  /** where it stands among ours: the order of our first row that has it, and its place there; null while only devices carried it */
  first: { order: Order; index: number } | null;
  ours: Version | null;
  /** our last version that is not 'running'; a device never takes one back to that */
  finished: Version | null;
  device: Version | null;
  /** the row of ours that came last with it, by arrival */
  lastOurs: Order | null;
};

/** An insert that made the mission anew after it had been deleted: what it does not carry of before is gone. */
type Birth = { order: Order; ids: ReadonlySet<string> };

/** What the log says about one iteration of ours. `latest`: as the last device row has it that carries it; else as our last row. */
type RunnerIteration = { id: string; latest: unknown; finished: unknown };

/**
 * All that a repair has to know of the rows of one mission that carry `iterations`, ours and the devices'. They may come in any order and
 * any number of times; of the arrays themselves only the winning one and the latest versions stay in memory.
 */
export class RepairLog {
  readonly #missionId: string;
  readonly #carriers = new Map<string, Carrier>();
  readonly #versions = new Map<string, Versions>();
  #outcomes: Outcomes = {};
  #winner: Winner | null = null;
  #birth: Birth | null = null;

  constructor(missionId: string) {
    this.#missionId = missionId;
  }

  /** Rows of other missions, that the merge skips, or without `iterations` have no say. */
  add(row: ChangeRow): void {
    const items = carriedItems(row);
    if (items === null || row.recordId !== this.#missionId || this.#carriers.has(row.id)) return;
    const order = orderOf(row, 'iterations');
    const isDevice = isDeviceRow(row);
    this.#carriers.set(row.id, {
      rowId: row.id,
      isDevice,
      order,
      oldestKeptUs: oldestKeptUs(items),
    });
    this.#noteVersions(firstById(items.filter(isRunnerIteration)), order, isDevice);
    this.#outcomes = joinOutcomes(this.#outcomes, items);
    const ids = new Set(firstById(items).keys());
    if (isDevice && (this.#winner === null || compareOrder(order, this.#winner.order) > 0))
      this.#winner = { rowId: row.id, order, items, ids };
    if (isRebirth(row) && (this.#birth === null || compareArrival(order, this.#birth.order) > 0))
      this.#birth = { order, ids };
  }

  /**
   * The repair that the mission still needs; null where there is none. `state`: the merge of all rows of the mission. At most one repair is
   * written per device row (its id is derived from that row), and none is caused by a row of ours: once the repair is merged, the answer is
   * null until a device writes again.
   */
  repair(context: WriteBackContext): NewChangeRow | null {
    const winner = this.#winner;
    if (!isAlive(context.state) || winner === null) return null;
    const items = this.#repairedItems(winner, writtenRegister(context.state, 'iterations')?.value);
    const cause = items && this.#causeOf(winner);
    if (!items || !cause) return null;
    return newRow(context, {
      id: repairId(cause),
      data: { iterations: items },
      fieldMeta: {
        iterations: nextStamp({
          nowMs: context.nowMs,
          after: [...ordersOf(context.state, 'iterations'), winner.order],
        }),
      },
      actor: SYSTEM_ACTOR,
      origin: 'system',
    });
  }

  #noteVersions(items: ReadonlyMap<string, unknown>, order: Order, isDevice: boolean): void {
    let index = 0;
    for (const [id, item] of items) {
      const known = this.#versions.get(id) ?? {
        first: null,
        ours: null,
        finished: null,
        device: null,
        lastOurs: null,
      };
      this.#versions.set(
        id,
        isDevice ? withDevice(known, { item, order }) : withOurs(known, { item, order }, index),
      );
      index += 1;
    }
  }

  /** The array that should stand; null where the merged one will do. Order is no reason for a repair, nor what we may have dropped. */
  #repairedItems(winner: Winner, mergedValue: unknown): unknown[] | null {
    const allowed = withOutcomes(wantedItems(winner, this.#runnerIterations()), this.#outcomes);
    const required = canonicalSet(dropOldRunnerIterations(this.#withoutDropped(allowed, winner)));
    const merged = canonicalSet(listOf(mergedValue));
    const allowedTexts = allowed.map(canonicalJson);
    const missing = [...required].some((text) => !merged.has(text));
    const known = new Set(allowedTexts);
    const surplus = [...merged].some((text) => !known.has(text));
    if (!missing && !surplus) return null;
    return allowed.filter(
      (_, index) => required.has(allowedTexts[index]!) || merged.has(allowedTexts[index]!),
    );
  }

  /** Our iterations by id, in the order in which we wrote them first. */
  #runnerIterations(): ReadonlyMap<string, RunnerIteration> {
    const written = [...this.#versions].flatMap(([id, versions]) =>
      versions.first === null || this.#isOfAnEarlierLife(id, versions)
        ? []
        : [{ id, first: versions.first, versions }],
    );
    written.sort(
      (a, b) => compareOrder(a.first.order, b.first.order) || a.first.index - b.first.index,
    );
    return new Map(
      written.map(({ id, versions: { ours, device, finished } }) => [
        id,
        { id, latest: (device ?? ours)?.item, finished: finished?.item },
      ]),
    );
  }

  #isOfAnEarlierLife(id: string, { lastOurs }: Versions): boolean {
    const birth = this.#birth;
    if (birth === null || lastOurs === null || birth.ids.has(id)) return false;
    return compareArrival(lastOurs, birth.order) < 0;
  }

  /** Leaves out what a row of ours dropped for its age: the row holds KEPT_ITERATIONS of ours that are newer. */
  #withoutDropped(items: readonly unknown[], winner: Winner): unknown[] {
    const ours = [...this.#carriers.values()].filter(({ isDevice }) => !isDevice);
    const limit = ours
      .map((carrier) => carrier.oldestKeptUs)
      .reduce((a, b) => Math.max(a, b), -Infinity);
    const isDropped = (item: unknown): boolean =>
      isRunnerIteration(item) &&
      !winner.ids.has(iterationId(item) ?? '') &&
      !awaitsReview(item) &&
      startedUs(item) < limit;
    return items.filter((item) => !isDropped(item));
  }

  /** The row to which a repair is charged: the winner, or (it had its repair) the newest that had none; null: none left. */
  #causeOf(winner: Winner): string | null {
    const candidates = [
      winner.rowId,
      ...this.#devices()
        .map(({ rowId }) => rowId)
        .toReversed(),
    ];
    return candidates.find((rowId) => !this.#carriers.has(repairId(rowId))) ?? null;
  }

  /** In order of arrival. */
  #devices(): Carrier[] {
    return [...this.#carriers.values()]
      .filter(({ isDevice }) => isDevice)
      .toSorted((a, b) => compareArrival(a.order, b.order));
  }
}

/** The repair that the given rows of one mission ask for (see RepairLog); null where they ask for none. */
export function repairRow(
  repair: WriteBackContext & { rows: Iterable<ChangeRow> },
): NewChangeRow | null {
  const log = new RepairLog(repair.missionId);
  for (const row of repair.rows) log.add(row);
  const { userId, missionId, state, nowMs } = repair;
  return log.repair({ userId, missionId, state, nowMs });
}

/**
 * Whether a row that was just merged, for the first time, may have left the array in need of a repair where it needed none before. Cheap, since
 * it looks at what was merged alone; it may say yes for nothing, and never no where a repair is due. What ordinary use writes (a device that
 * had seen the array, a row of ours on top of it) answers no.
 */
export function mayNeedRepair(merge: {
  before: RecordState | null;
  after: RecordState;
  row: ChangeRow;
}): boolean {
  const items = carriedItems(merge.row);
  const winner = writtenRegister(merge.after, 'iterations');
  if (items === null || winner === null) return false;
  const standingNow = listOf(winner.value);
  if (withOutcomes(standingNow, merge.after.outcomes ?? {}) !== standingNow) return true;
  if (winner.rowId !== merge.row.id)
    return !isSubset(items, standingNow) || !isSubset(standingNow, items);
  const standing = merge.before === null ? null : writtenRegister(merge.before, 'iterations');
  if (standing === null) return false;
  const before = withOutcomes(listOf(standing.value), merge.after.outcomes ?? {});
  return isDeviceRow(merge.row) ? losesOurs(before, items) : changesMore(before, items);
}

/** A row of ours adds one iteration of ours and leaves out those that became too old; more than that means that it crossed a device's row. */
function changesMore(before: readonly unknown[], items: readonly unknown[]): boolean {
  const known = canonicalSet(before);
  const added = items.filter((item) => !known.has(canonicalJson(item)));
  if (added.length > 1 || !added.every(isRunnerIteration)) return true;
  return !isSubset(dropOldRunnerIterations([...before, ...added]), items);
}

/** A device has its say about its items and about the versions of ours, but for one thing: what is finished stays so. */
function losesOurs(before: readonly unknown[], items: readonly unknown[]): boolean {
  const after = firstById(items);
  return before.filter(isRunnerIteration).some((item) => {
    const id = iterationId(item);
    return id !== null && (!after.has(id) || (isRunning(after.get(id)) && !isRunning(item)));
  });
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isSubset(items: readonly unknown[], of: unknown): boolean {
  if (items.length === 0) return true;
  const texts = canonicalSet(listOf(of));
  return items.every((item) => texts.has(canonicalJson(item)));
}

/** The array of a row that the merge takes in; null where it writes none. A value that is no array counts as an empty one. */
export function carriedItems(row: ChangeRow): readonly unknown[] | null {
  if (row.op === 'delete' || row.schemaVersion > SCHEMA_VERSION) return null;
  if (!isRecord(row.data) || !Object.hasOwn(row.data, 'iterations')) return null;
  return listOf(row.data['iterations']);
}

function repairId(rowId: string): string {
  return derivedId('repair', rowId);
}

function withDevice(known: Versions, version: Version): Versions {
  return { ...known, device: laterVersion(known.device, version) };
}

function withOurs(known: Versions, version: Version, index: number): Versions {
  const isFirst = known.first === null || compareOrder(version.order, known.first.order) < 0;
  return {
    ...known,
    first: isFirst ? { order: version.order, index } : known.first,
    ours: laterVersion(known.ours, version),
    finished: isRunning(version.item) ? known.finished : laterVersion(known.finished, version),
    lastOurs:
      known.lastOurs === null || compareArrival(version.order, known.lastOurs) > 0
        ? version.order
        : known.lastOurs,
  };
}

function laterVersion(known: Version | null, version: Version): Version {
  return known !== null && compareOrder(known.order, version.order) > 0 ? known : version;
}

/** The winner's items and what of ours it never saw, in the order in which we wrote them. */
function wantedItems(winner: Winner, runner: ReadonlyMap<string, RunnerIteration>): unknown[] {
  const own = winner.items.map((item) => versionOf(item, runner.get(iterationId(item) ?? '')));
  const unseen = [...runner.values()].filter(({ id }) => !winner.ids.has(id));
  return [...own, ...unseen.map((iteration) => versionOf(iteration.latest, iteration))];
}

function versionOf(item: unknown, iteration: RunnerIteration | undefined): unknown {
  return isRunning(item) && iteration?.finished !== undefined ? iteration.finished : item;
}

function oldestKeptUs(items: readonly unknown[]): number {
  const starts = items.filter(isRunnerIteration).map(startedUs);
  if (starts.length < KEPT_ITERATIONS) return -Infinity;
  return starts.toSorted((a, b) => b - a)[KEPT_ITERATIONS - 1]!;
}

/** Negative where `a` came to the log before `b`, whatever the clocks of the devices say. */
function compareArrival(a: Order, b: Order): number {
  return a.createdUs - b.createdUs || compareIds(a.rowId, b.rowId);
}

/** A mission that lives is never inserted by the API, and an insert that takes a deletion back says so. */
function isRebirth({ op, clientId, data }: ChangeRow): boolean {
  if (op !== 'insert') return false;
  return clientId === DEVICE_API_CLIENT_ID || (isRecord(data) && Object.hasOwn(data, 'deletedAt'));
}

function firstById(items: readonly unknown[]): ReadonlyMap<string, unknown> {
  const byId = new Map<string, unknown>();
  for (const item of items) {
    const id = iterationId(item);
    if (id !== null && !byId.has(id)) byId.set(id, item);
  }
  return byId;
}

function canonicalSet(items: readonly unknown[]): Set<string> {
  return new Set(items.map((item) => canonicalJson(item)));
}
