import { type Need, openReadRecord, type ReadRecord, type SealForm } from '../carry-out/index.ts';
import type { Api } from './api.ts';
import type { Opener } from './opener.ts';

type Answer = { records: ReadRecord[]; next?: string; sealing: SealForm };

/** Records in one URL: a longer one is refused by some proxies. */
const MOST_REFS = 50;

/** A person's own records, opened on this machine where their key is to be had. */
export class OwnRecords {
  readonly #api: Api;
  readonly #opener: Opener;

  constructor({ api, opener }: { api: Api; opener: Opener }) {
    this.#api = api;
    this.#opener = opener;
  }

  /** How encrypted fields of this person are written. */
  async sealing(): Promise<SealForm> {
    return (await this.#get('limit=1')).sealing;
  }

  /**
   * The records of a module, or of one of its tables; all of the person where no module is named.
   */
  async all({
    module,
    table,
    deleted = false,
  }: {
    module?: string | undefined;
    table?: string | undefined;
    deleted?: boolean | undefined;
  } = {}): Promise<ReadRecord[]> {
    const found: ReadRecord[] = [];
    const where = [
      ...(module === undefined ? [] : [`module=${encodeURIComponent(module)}`]),
      ...(table === undefined ? [] : [`table=${encodeURIComponent(table)}`]),
      ...(deleted ? ['deleted=true'] : []),
    ];
    for (let cursor: string | undefined = ''; cursor !== undefined;) {
      const after: string[] = cursor === '' ? [] : [`cursor=${encodeURIComponent(cursor)}`];
      const { records, next } = await this.#get([...where, ...after].join('&'));
      found.push(...(await this.#opened(records)));
      cursor = next;
    }
    return found;
  }

  /** Those of `table:id` that exist. */
  async find(refs: readonly string[]): Promise<ReadRecord[]> {
    const found: ReadRecord[] = [];
    for (let start = 0; start < refs.length; start += MOST_REFS) {
      const some = refs.slice(start, start + MOST_REFS).map(encodeURIComponent);
      const { records } = await this.#get(`refs=${some.join(',')}`);
      found.push(...(await this.#opened(records)));
    }
    return found;
  }

  /** What a step has to read. */
  async needed(needs: readonly Need[]): Promise<ReadRecord[]> {
    const one = needs.flatMap(({ table, recordId }) =>
      recordId === undefined ? [] : [`${table}:${recordId}`],
    );
    const whole = needs.filter(({ recordId }) => recordId === undefined);
    const lists = await Promise.all([
      this.find(one),
      ...whole.map(({ appId, table, deleted }) => this.all({ module: appId, table, deleted })),
    ]);
    return lists.flat();
  }

  async #get(query: string): Promise<Answer> {
    return (await this.#api.runner(`/api/v1/me/records?${query}`)) as Answer;
  }

  /** The key is asked for only where something is encrypted. */
  async #opened(records: readonly ReadRecord[]): Promise<ReadRecord[]> {
    if (!records.some(isSealed)) return [...records];
    const keys = await this.#opener.ownKeys();
    if (keys === null) return [...records];
    return Promise.all(records.map(async (record) => openReadRecord(record, keys)));
  }
}

function isSealed({ data }: ReadRecord): boolean {
  return Object.values(data).some((value) => typeof value === 'string' && value.startsWith('enc:'));
}
