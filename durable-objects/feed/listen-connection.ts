import type { Client } from '@neondatabase/serverless';
import { tcpTarget } from '../../src/config/database-url.ts';
import { isNeonUrl } from '../../src/config/neon-url.ts';
import { createClient } from '../../src/postgres/driver.ts';
import { createLogger } from '../../src/telemetry/logs.ts';

/** Longest wait for the connection's sign of life, in ms. */
const ANSWER_MS = 5_000;

const FIRST_RETRY_MS = 1_000;

/** What happens on the connection. */
export type ListenEvents = {
  /** somebody wrote to the log */
  notified: () => void;
  /** the connection is lost, and `ensure` may open it again after `retryMs()` */
  lost: () => void;
};

/** The one connection outside the pool, which waits for notifications. HTTP transports (Neon) have none. */
export class ListenConnection {
  readonly #url: string;
  readonly #applicationName: string;
  readonly #events: ListenEvents;
  readonly #log = createLogger({ component: 'change-feed' });
  #client: Client | undefined;
  #failures = 0;

  constructor(server: { databaseUrl: string; application: string }, events: ListenEvents) {
    this.#url = server.databaseUrl;
    this.#applicationName = `${server.application}-listen`;
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#client !== undefined;
  }

  /** Opens the connection, or a new one if it does not answer. Never throws: the polls go on without it. */
  async ensure(): Promise<void> {
    if (isNeonUrl(this.#url)) return;
    if (this.#client !== undefined && (await answers(this.#client))) return;
    this.hangUp();
    const client = createClient(tcpTarget(this.#url), this.#applicationName);
    this.#client = client;
    this.#watch(client);
    try {
      await client.connect();
      await client.query('listen mana_ai_changes');
      this.#failures = 0;
    } catch {
      this.#lose(client);
      this.#log.warn('LISTEN could not be set up; the poll goes on alone', {
        code: 'POSTGRES_UNAVAILABLE',
      });
    }
  }

  /** Closes without waiting. If a slow connection stayed open, each successor would cost the server one more. */
  hangUp(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.end().catch(() => undefined);
  }

  /** How long to wait before the connection is opened again, in ms; null while nothing is wrong with it. */
  retryMs(): number | null {
    if (this.#failures === 0) return null;
    return FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 9);
  }

  #watch(client: Client): void {
    const lost = (): void => this.#lose(client);
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', this.#events.notified);
  }

  #lose(client: Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#failures += 1;
    this.#events.lost();
  }
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
