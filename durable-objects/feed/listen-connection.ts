import type { Client } from '@neondatabase/serverless';
import { tcpTarget } from '../../src/config/database-url.ts';
import { isNeonUrl } from '../../src/config/neon-url.ts';
import { createClient } from '../../src/postgres/driver.ts';
import { createLogger } from '../../src/telemetry/logs.ts';
import type { Notice } from '../life/notice.ts';

/** Longest wait for the connection's sign of life, in ms. */
const ANSWER_MS = 5_000;

/** Longest wait for a notification of our own to come back, in ms. */
const ECHO_MS = 1_000;

const FIRST_RETRY_MS = 1_000;

/**
 * While a pooler keeps notifications from us the polls alone find changes, so they come often, in
 * ms.
 */
const DEAF_POLL_MS = 2_000;

/** What happens on the connection. */
export type ListenEvents = {
  /** somebody wrote to the log */
  notified: () => void;
  /** the connection is lost, and `ensure` may open it again after `retryMs()` */
  lost: () => void;
};

/** The notification by which the connection is tried. */
export const ECHO = { channel: 'mana_ai_changes', payload: 'echo' } as const;

/**
 * The one connection outside the pool, which waits for notifications. HTTP transports (Neon) have
 * none.
 *
 * It is _closed_, _open_ (a notification of our own came back), or _deaf_: the server takes LISTEN
 * and no notification arrives, as behind a pooler in transaction mode.
 */
export class ListenConnection {
  readonly #url: string;
  readonly #applicationName: string;
  readonly #events: ListenEvents;
  readonly #sendEcho: () => Promise<unknown>;
  readonly #log = createLogger({ component: 'change-feed' });
  #client: Client | undefined;
  #failures = 0;
  #deafSinceMs: number | undefined;

  /**
   * @param server `listenUrl`: another way to the same database, for LISTEN alone
   * @param sendEcho sends ECHO over another connection: over this one a pooler would answer with it
   */
  constructor(
    server: { databaseUrl: string; listenUrl: string | null; application: string },
    events: ListenEvents,
    sendEcho: () => Promise<unknown>,
  ) {
    this.#url = server.listenUrl ?? server.databaseUrl;
    this.#applicationName = `${server.application}-listen`;
    this.#events = events;
    this.#sendEcho = sendEcho;
  }

  get isOpen(): boolean {
    return this.#client !== undefined;
  }

  /**
   * Opens the connection, or a new one if it does not answer. Never throws: the polls go on without
   * it.
   */
  async ensure(): Promise<void> {
    if (isNeonUrl(this.#url)) return;
    if (this.#client !== undefined && (await answers(this.#client))) return;
    this.hangUp();
    const client = createClient(tcpTarget(this.#url), this.#applicationName);
    this.#client = client;
    try {
      this.#watch(client);
      await client.connect();
      await client.query(`listen ${ECHO.channel}`);
      const heard = echoOf(client);
      await this.#sendEcho();
      this.#judge(client, await heard);
    } catch {
      this.#lose(client);
      this.#log.warn('LISTEN could not be set up; the poll goes on alone', {
        code: 'POSTGRES_UNAVAILABLE',
      });
    }
  }

  #judge(client: Client, heard: boolean): void {
    if (heard) {
      this.#failures = 0;
      this.#deafSinceMs = undefined;
      return;
    }
    if (this.#deafSinceMs === undefined) {
      this.#deafSinceMs = Date.now();
      this.#log.warn(DEAF.message, { code: DEAF.code });
    }
    this.#lose(client);
  }

  /** What /health says of it. */
  notices(): Notice[] {
    if (this.#deafSinceMs === undefined) return [];
    return [{ ...DEAF, since: new Date(this.#deafSinceMs).toISOString() }];
  }

  /**
   * Closes without waiting. If a slow connection stayed open, each successor would cost the server
   * one more.
   */
  hangUp(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.end().catch(() => undefined);
  }

  /**
   * How long to wait before the connection is opened again, in ms; null while nothing is wrong with
   * it.
   */
  retryMs(): number | null {
    if (this.#deafSinceMs !== undefined) return DEAF_POLL_MS;
    if (this.#failures === 0) return null;
    return FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 9);
  }

  #watch(client: Client): void {
    const lost = (): void => this.#lose(client);
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', ({ payload }) => {
      if (payload !== ECHO.payload) this.#events.notified();
    });
  }

  #lose(client: Client): void {
    if (this.#client !== client) return;
    this.hangUp();
    this.#failures += 1;
    this.#events.lost();
  }
}

const DEAF = {
  code: 'LISTEN_DEAF',
  message:
    'PostgreSQL takes LISTEN and its notifications do not arrive, as behind a pooler in transaction ' +
    'mode; changes are found by a poll every 2 s. Set MANA_LISTEN_URL to a direct way',
} as const;

/** Whether the notification that we send to ourselves comes back in time. */
async function echoOf(client: Client): Promise<boolean> {
  const heard = new Promise<boolean>((done) => {
    client.on('notification', ({ payload }) => {
      if (payload === ECHO.payload) done(true);
    });
  });
  return Promise.race([heard, scheduler.wait(ECHO_MS).then(() => false)]);
}

/** A half-open connection says nothing by itself, so it is asked. */
async function answers(client: Client): Promise<boolean> {
  try {
    const silence = scheduler.wait(ANSWER_MS).then(() => false);
    return await Promise.race([client.query('select 1').then(() => true), silence]);
  } catch {
    return false;
  }
}
