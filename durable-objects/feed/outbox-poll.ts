import { ask } from '../../src/postgres/one-statement.ts';
import type { Database, Row } from '../../src/postgres/port.ts';
import {
  deleteOutboxBelow,
  OUTBOX_PAGE_ROWS,
  type OutboxPosition,
  selectMissedChanges,
  selectOutboxPage,
} from '../../src/sync/feed-queries.ts';
import type { FeedStore } from './feed-store.ts';
import type { Sweep } from './sweep.ts';
import type { UserRefresh } from './user-refresh.ts';

type OutboxEntry = { id: string; userId: string; xid: string; since: string };

/** `horizon`: the oldest open transaction; `newest`: the server's next transaction number. */
type OutboxPage = { horizon: string; newest: string; entries: OutboxEntry[] };
type FirstPage = OutboxPage & { missed: string };

export type PollPorts = {
  store: FeedStore;
  database: Database;
  users: UserRefresh;
  sweep: Sweep;
  /** whether the settings that judge grants are others than at the last start */
  grantsChanged: () => Promise<boolean>;
};

const ASKER = { role: 'mana_ai_runner', userId: null } as const;

/** Reads the outbox and delivers it: each user in it is refreshed. */
export class OutboxPoll {
  readonly #ports: PollPorts;
  #polling: Promise<void> | undefined;
  #pollAgain = false;

  constructor(ports: PollPorts) {
    this.#ports = ports;
  }

  /**
   * Polls never overlap: a request during one leads to one more poll after it.
   * @throws PostgresError, FeedError: what was not delivered is read again by the next poll
   */
  async poll(): Promise<void> {
    if (this.#polling !== undefined) {
      this.#pollAgain = true;
      return this.#polling;
    }
    this.#polling = this.#pollUntilQuiet();
    try {
      await this.#polling;
    } finally {
      this.#polling = undefined;
    }
  }

  async #pollUntilQuiet(): Promise<void> {
    do {
      this.#pollAgain = false;
      await this.#readOutbox();
    } while (this.#pollAgain);
  }

  async #readOutbox(): Promise<void> {
    const { store, database } = this.#ports;
    const startHorizon = store.horizon();
    const start: OutboxPosition = { horizon: startHorizon ?? '0', afterXid: '0', afterId: '0' };
    const first = await this.#readFirstPage(start);
    const wentBack = startHorizon !== null && BigInt(startHorizon) > BigInt(first.newest);
    await this.#startSweepIfNeeded(first, startHorizon === null || wentBack);
    if (wentBack) {
      // The server is another one or was restored, and its transaction numbers start lower: none
      // that is stored here holds.
      store.reset(first.horizon);
      return;
    }
    await this.#deliverPages(first, start);
    store.advance(first.horizon);
    if (first.horizon !== startHorizon)
      await ask(database, ASKER, deleteOutboxBelow(first.horizon));
  }

  /** A sweep finds what the outbox does not tell. */
  async #startSweepIfNeeded(first: FirstPage, isOutboxUseless: boolean): Promise<void> {
    const { sweep, grantsChanged } = this.#ports;
    // Missions that wait for a grant may run under other keys or another model, and no change of
    // theirs will tell.
    const haveGrantsChanged = await grantsChanged();
    const nowMs = Date.now();
    // In one commit with the start of the sweep: a crash between the two would lose what was
    // missed.
    const hasMissed = this.#areMissedChangesVisible(first);
    if (isOutboxUseless || hasMissed || haveGrantsChanged || sweep.isDue(nowMs)) sweep.start(nowMs);
  }

  /**
   * The trigger counts the changes that it could not note. The count rises at once, but the rows
   * can be seen only once their transaction has ended. All transactions that the count can be about
   * are below the newest one of now, so the sweep waits until the horizon has passed that.
   */
  #areMissedChangesVisible({ missed, horizon, newest }: FirstPage): boolean {
    const { store } = this.#ports;
    const known = store.missedChanges();
    if (missed !== known) store.noteMissedChanges(missed, known === null ? null : newest);
    const belowXid = store.missedBelowXid();
    if (belowXid === null || BigInt(horizon) < BigInt(belowXid)) return false;
    store.clearMissed();
    return true;
  }

  async #deliverPages(first: OutboxPage, start: OutboxPosition): Promise<void> {
    let position = start;
    for (let page = first; ; page = await this.#readPage(position)) {
      await this.#deliver(page.entries);
      const last = page.entries.at(-1);
      if (last === undefined || page.entries.length < OUTBOX_PAGE_ROWS) return;
      position = { ...position, afterXid: last.xid, afterId: last.id };
    }
  }

  /**
   * Users are refreshed before their entries count as delivered: a crash between the two repeats a
   * refresh, which changes nothing.
   */
  async #deliver(entries: readonly OutboxEntry[]): Promise<void> {
    const { store, users } = this.#ports;
    const fresh = entries.filter((entry) => !store.isDelivered(entry.id));
    const sinceByUser = new Map<string, string>();
    for (const { userId, since } of fresh) {
      const known = sinceByUser.get(userId);
      if (known === undefined || since < known) sinceByUser.set(userId, since);
    }
    await users.refreshAll([...sinceByUser].map(([userId, since]) => ({ userId, since })));
    store.markDelivered(fresh);
  }

  /**
   * The count is read before the snapshot of the page, so it holds no transaction that began after
   * the page was read.
   */
  async #readFirstPage(position: OutboxPosition): Promise<FirstPage> {
    const statements = [selectMissedChanges(), selectOutboxPage(position)];
    const [missed, page] = await this.#ports.database.transaction({ ...ASKER, statements });
    return { ...pageOf(page?.[0]), missed: String(missed?.[0]?.['missed']) };
  }

  async #readPage(position: OutboxPosition): Promise<OutboxPage> {
    const [row] = await ask(this.#ports.database, ASKER, selectOutboxPage(position));
    return pageOf(row);
  }
}

function pageOf(row: Row | undefined): OutboxPage {
  return {
    horizon: String(row?.['horizon']),
    newest: String(row?.['newest']),
    entries: JSON.parse(String(row?.['entries'])) as OutboxEntry[],
  };
}
