import type { RecordState } from '../src/sync/merge.ts';
import type { CachedTable, MissionStore } from './mission-store.ts';

type Entry = { tableName: CachedTable; recordId: string; state: RecordState | null; isChanged: boolean };

/**
 * The records that a page of the log touches: each is read from the store once and saved once, however many of its rows there are. Lives
 * within one synchronous step.
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
    const entry = this.#entry(tableName, recordId);
    entry.state = state;
    entry.isChanged = true;
  }

  save(): void {
    for (const { tableName, recordId, state, isChanged } of this.#entries.values())
      if (isChanged && state !== null) this.#store.saveRecord(tableName, recordId, state);
  }

  #entry(tableName: CachedTable, recordId: string): Entry {
    const key = JSON.stringify([tableName, recordId]);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry = { tableName, recordId, state: this.#store.record(tableName, recordId), isChanged: false };
    this.#entries.set(key, entry);
    return entry;
  }
}
