import type { Database } from '../../src/postgres/port.ts';
import type { SealForm } from '../../src/carry-out/index.ts';
import { applyRow, isAlive, type RecordState } from '../../src/sync/merge.ts';
import { keyText, type PersonRecord, personRecord } from '../../src/sync/person-record.ts';
import {
  type RecordKey,
  selectChangesOf,
  selectKeysOf,
  selectRecordKeys,
  selectSealing,
} from '../../src/sync/record-queries.ts';
import { LogReader } from './log-reader.ts';

/** `next`: the key of the last record that was looked at, where more may follow. */
export type RecordPage = { records: PersonRecord[]; next: RecordKey | null };

export type RecordQuery = {
  appId: string | null;
  table: string | null;
  after: RecordKey | null;
  /** 1 to 200 */
  most: number;
  withDeleted: boolean;
};

/** What a person has in the log, of whatever app, read under row-level security. */
export class PersonRecords {
  readonly #userId: string;
  readonly #log: LogReader;

  constructor(options: { userId: string; database: Database }) {
    this.#userId = options.userId;
    this.#log = new LogReader(options);
  }

  /**
   * A page of records. It may hold fewer than asked for: deleted ones are looked at too. @throws
   * PostgresError
   */
  async page({ appId, table, after, most, withDeleted }: RecordQuery): Promise<RecordPage> {
    const where = { appId, table };
    const keys = (await this.#log.query(selectRecordKeys(this.#userId, where, after, most))).map(
      keyOf,
    );
    const records = await this.#read(keys, withDeleted);
    return { records, next: keys.length < most ? null : (keys.at(-1) ?? null) };
  }

  /** Those of the records that exist. @throws PostgresError */
  async find(
    refs: readonly { tableName: string; recordId: string }[],
    withDeleted: boolean,
  ): Promise<PersonRecord[]> {
    const keys = (await this.#log.query(selectKeysOf(this.#userId, refs))).map(keyOf);
    return this.#read(keys, withDeleted);
  }

  /**
   * The merged states of some records, by `keyText`; those of which no row stands are missing.
   * @throws PostgresError
   */
  async states(keys: readonly RecordKey[]): Promise<Map<string, RecordState>> {
    const states = new Map<string, RecordState>();
    if (keys.length === 0) return states;
    // A row does not name its app; a table's name may occur in two, and an id, being random, in
    // one.
    const byId = new Map(keys.map((key) => [idText(key.table, key.recordId), keyText(key)]));
    for await (const row of this.#log.changes((cursor) =>
      selectChangesOf(this.#userId, keys, cursor),
    )) {
      const text = byId.get(idText(row.tableName, row.recordId));
      if (text === undefined) continue;
      states.set(text, applyRow(states.get(text) ?? null, row).state);
    }
    return states;
  }

  /** How this person's encrypted fields are written. @throws PostgresError */
  async sealing(): Promise<SealForm> {
    const [row] = await this.#log.query(selectSealing(this.#userId));
    if (row?.['app'] === 'true') return 'enc:1';
    return row?.['vault'] === 'true' ? 'enc:2' : 'plain';
  }

  async #read(keys: readonly RecordKey[], withDeleted: boolean): Promise<PersonRecord[]> {
    const states = await this.states(keys);
    return keys.flatMap((key) => {
      const state = states.get(keyText(key));
      if (state === undefined || (!withDeleted && !isAlive(state))) return [];
      return [personRecord(key, state)];
    });
  }
}

function idText(table: string, recordId: string): string {
  return JSON.stringify([table, recordId]);
}

function keyOf(row: Readonly<Record<string, string | null>>): RecordKey {
  return {
    appId: row['app_id'] ?? '',
    table: row['table_name'] ?? '',
    recordId: row['record_id'] ?? '',
  };
}
