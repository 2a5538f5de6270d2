import type { ReadRecord } from '../../carry-out/types.ts';
import { api } from './api.ts';
import { carryPart } from './lazy.ts';
import type { Keys } from './vault.ts';

export type StoredRecord = ReadRecord & { updatedAt?: string };

/** Records by `table:id`, opened with this browser's keys. */
export async function recordsOf(
  refs: readonly string[],
  keys: Keys | null,
): Promise<StoredRecord[]> {
  if (refs.length === 0) return [];
  return openAll(await pagesOf(`refs=${encodeURIComponent(refs.join(','))}`), keys);
}

/** A module's records, opened. */
export async function recordsOfModule(module: string, keys: Keys | null): Promise<StoredRecord[]> {
  return openAll(await pagesOf(`module=${encodeURIComponent(module)}`), keys);
}

const MOST_PAGES = 50;

async function pagesOf(query: string): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  let cursor = '';
  for (let page = 0; page < MOST_PAGES; page++) {
    const answer = await api<{ records: StoredRecord[]; next?: string }>(
      `/api/v1/me/records?${query}${cursor}`,
    );
    records.push(...answer.records);
    if (answer.next === undefined) break;
    cursor = `&cursor=${encodeURIComponent(answer.next)}`;
  }
  return records;
}

export async function openAll(
  records: readonly StoredRecord[],
  keys: Keys | null,
): Promise<StoredRecord[]> {
  if (keys === null) return [...records];
  const { openReadRecord } = await carryPart();
  return Promise.all(records.map((record) => openReadRecord(record, keys)));
}
