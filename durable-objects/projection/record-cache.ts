import type { RecordState } from '../../src/sync/merge.ts';
import type { CachedTable, MissionStore } from './mission-store.ts';

type Entry = {
  tableName: CachedTable;
  recordId: string;
  stored: RecordState | null;
  state: RecordState | null;
};

/** A record before and after the page. */
export type RecordChange = {
  tableName: CachedTable;
  recordId: string;
  before: RecordState | null;
  after: RecordState;
};

/**
 * The records that a page of the log touches. Each is read from the store once and saved once,
 * however many rows it has in the page. It lives within one synchronous step.
 */
export class RecordCache {
  readonly #store: MissionStore;
  readonly #entries = new Map<string, Entry>();

  constructor(store: MissionStore) {
    this.#store = store;
  }

  get(tableName: CachedTable, recordId: string): RecordState | null {
    return this.#entry(tableName, recordId).state;
  }

  set(tableName: CachedTable, recordId: string, state: RecordState): void {
    this.#entry(tableName, recordId).state = state;
  }

  /** @returns what was saved */
  save(): RecordChange[] {
    const changes = [...this.#entries.values()].flatMap(
      ({ tableName, recordId, stored: before, state: after }) =>
        after === null || after === before ? [] : [{ tableName, recordId, before, after }],
    );
    for (const { tableName, recordId, after } of changes)
      this.#store.saveRecord(tableName, recordId, after);
    return changes;
  }

  #entry(tableName: CachedTable, recordId: string): Entry {
    const key = JSON.stringify([tableName, recordId]);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const stored = this.#store.record(tableName, recordId);
    const entry = { tableName, recordId, stored, state: stored };
    this.#entries.set(key, entry);
    return entry;
  }
}
