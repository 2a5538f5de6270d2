import { DurableObject } from 'cloudflare:workers';
import { PostgresError } from '../src/postgres/errors.ts';
import { pooledDatabase } from '../src/postgres/pooled-database.ts';
import { createLogger } from '../src/telemetry/logs.ts';
import { type GrantsEnv, POOL_NAME } from './bindings.ts';
import { eraseExpiredKeys, removeEndedSignIns } from './opening/grant-queries.ts';
import { guarded } from './life/guarded.ts';
const EVERY_MS = 60 * 60_000;
/** After a failure it tries again this soon: PostgreSQL may be away for a moment. */
const AGAIN_MS = 60_000;

/**
 * Erases the keys of expired grants every hour, so that neither the database nor the runner's
 * private key opens records any more, and removes links and sessions that have ended.
 */
export class GrantSweep extends DurableObject<GrantsEnv> {
  readonly #log = createLogger({ component: 'grant-sweep' });
  #awake = false;

  /**
   * The first /health of a process calls this, since workerd starts nothing by itself; the alarm
   * goes on from there.
   */
  async wake(): Promise<void> {
    if (this.#awake) return;
    this.#awake = true;
    // Grants that expired while the process was down are erased now, not within the hour.
    await this.ctx.storage.setAlarm(Date.now());
  }

  override async alarm(): Promise<void> {
    this.#awake = true;
    const swept = await this.#sweep();
    await guarded(this.#log, () =>
      this.ctx.storage.setAlarm(Date.now() + (swept ? EVERY_MS : AGAIN_MS)),
    );
  }

  async #sweep(): Promise<boolean> {
    try {
      const database = pooledDatabase(this.env.POSTGRES_POOL.getByName(POOL_NAME));
      const [rows, removed] = await database.transaction({
        role: 'mana_auth_service',
        userId: null,
        statements: [eraseExpiredKeys(), removeEndedSignIns()],
      });
      const count = Number(rows?.[0]?.['erased'] ?? 0);
      if (count > 0) this.#log.info('keys of expired grants were erased', { count });
      const ended = Number(removed?.[0]?.['removed'] ?? 0);
      if (ended > 0)
        this.#log.info('links and sessions that had ended were removed', { count: ended });
      return true;
    } catch (thrown) {
      const code = thrown instanceof PostgresError ? thrown.code : 'INTERNAL';
      this.#log.warn('expired grants could not be swept; it is tried again', { code });
      return false;
    }
  }
}
