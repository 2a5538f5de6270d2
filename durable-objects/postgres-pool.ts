import { DurableObject } from 'cloudflare:workers';
import { tcpTarget } from '../src/config/database-url.ts';
import { isNeonUrl } from '../src/config/neon-url.ts';
import { classifyDriverError, isOutage, postgresFailure } from '../src/postgres/errors.ts';
import type { PostgresHealth, TransactionOutcome } from '../src/postgres/pooled-database.ts';
import type { Database, DatabaseRole, TransactionRequest } from '../src/postgres/port.ts';
import { neonHttpDatabase, tcpDatabase } from '../src/postgres/transaction.ts';
import { metrics } from '../src/telemetry/metrics.ts';
import type { PoolPort, PostgresEnv } from './bindings.ts';

export type { PostgresEnv as PostgresPoolEnv } from './bindings.ts';

/** The change feed's LISTEN connection is one more. */
const MAX_CONNECTIONS = 3;

/** /health has 1.5 s for its whole answer. */
const PROBE_TIMEOUT_MS = 1_200;

/**
 * The one object that owns connections to PostgreSQL. Everything else sends it whole transactions.
 */
export class PostgresPool extends DurableObject<PostgresEnv> implements PoolPort {
  #database: Database | undefined;
  #failingSinceMs: number | undefined;

  async run(request: TransactionRequest): Promise<TransactionOutcome> {
    try {
      const results = await this.#connected().transaction(request);
      this.#failingSinceMs = undefined;
      return { ok: true, results };
    } catch (thrown) {
      const failure = classifyDriverError(thrown);
      metrics.postgresErrors.inc({ code: failure.code });
      if (isOutage(failure)) this.#failingSinceMs ??= Date.now();
      return { ok: false, failure };
    }
  }

  /** Answers within 1.2 s. A server that is slower, or that takes no writes, is not ok. */
  async health(role: DatabaseRole): Promise<PostgresHealth> {
    const outcome = await Promise.race([this.#probe(role), timeout(PROBE_TIMEOUT_MS)]);
    if (outcome.ok) return { ok: true };
    const since = new Date((this.#failingSinceMs ??= Date.now())).toISOString();
    return {
      ok: false,
      since,
      error: { code: outcome.failure.code, message: outcome.failure.message },
    };
  }

  async #probe(role: DatabaseRole): Promise<TransactionOutcome> {
    const statement = {
      text: `select current_setting('transaction_read_only') as read_only`,
      values: [],
    };
    const outcome = await this.run({ role, userId: null, statements: [statement] });
    const isReadOnly = outcome.ok && outcome.results[0]?.[0]?.['read_only'] === 'on';
    return isReadOnly ? { ok: false, failure: postgresFailure('POSTGRES_READ_ONLY') } : outcome;
  }

  #connected(): Database {
    this.#database ??= openDatabase(this.env);
    return this.#database;
  }
}

function openDatabase(env: PostgresEnv): Database {
  const { DATABASE_URL: databaseUrl, POSTGRES_APPLICATION: applicationName } = env;
  if (isNeonUrl(databaseUrl)) return neonHttpDatabase(databaseUrl);
  return tcpDatabase({
    target: tcpTarget(databaseUrl),
    applicationName,
    maxConnections: MAX_CONNECTIONS,
  });
}

async function timeout(ms: number): Promise<TransactionOutcome> {
  await scheduler.wait(ms);
  return { ok: false, failure: postgresFailure('POSTGRES_TIMEOUT') };
}
