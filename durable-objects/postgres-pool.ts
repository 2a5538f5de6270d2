import { DurableObject } from 'cloudflare:workers';
import { isNeonUrl } from '../src/postgres/neon-url.ts';
import { classifyDriverError, postgresFailure } from '../src/postgres/errors.ts';
import type { PostgresHealth, TransactionOutcome } from '../src/postgres/pooled-database.ts';
import type { Database, DatabaseRole, TransactionRequest } from '../src/postgres/port.ts';
import { neonHttpDatabase, tcpDatabase } from '../src/postgres/transaction.ts';

export type PostgresPoolEnv = { DATABASE_URL: string; POSTGRES_APPLICATION: string };

/** With the LISTEN connection of the change feed that makes four. */
const MAX_CONNECTIONS = 3;

const PROBE_TIMEOUT_MS = 1_500;

/** The one object that owns connections to Postgres: everything else sends it whole transactions. */
export class PostgresPool extends DurableObject<PostgresPoolEnv> {
  #database: Database | undefined;
  #failingSinceMs: number | undefined;

  async run(request: TransactionRequest): Promise<TransactionOutcome> {
    try {
      const results = await this.#connected().transaction(request);
      this.#failingSinceMs = undefined;
      return { ok: true, results };
    } catch (thrown) {
      const failure = classifyDriverError(thrown);
      if (failure.code !== 'POSTGRES_REFUSED') this.#failingSinceMs ??= Date.now();
      return { ok: false, failure };
    }
  }

  /** Answers within 1.5 s: a server that does not is reported as not ok. */
  async health(role: DatabaseRole): Promise<PostgresHealth> {
    const probe = this.run({ role, userId: null, statements: [{ text: 'select 1', values: [] }] });
    const outcome = await Promise.race([probe, timeout(PROBE_TIMEOUT_MS)]);
    if (outcome.ok) return { ok: true };
    const since = new Date((this.#failingSinceMs ??= Date.now())).toISOString();
    return { ok: false, since, error: { code: outcome.failure.code, message: outcome.failure.message } };
  }

  #connected(): Database {
    this.#database ??= openDatabase(this.env);
    return this.#database;
  }
}

function openDatabase(env: PostgresPoolEnv): Database {
  const { DATABASE_URL: databaseUrl, POSTGRES_APPLICATION: applicationName } = env;
  if (isNeonUrl(databaseUrl)) return neonHttpDatabase(databaseUrl);
  return tcpDatabase({ databaseUrl, applicationName, maxConnections: MAX_CONNECTIONS });
}

async function timeout(ms: number): Promise<TransactionOutcome> {
  await scheduler.wait(ms);
  return { ok: false, failure: postgresFailure('POSTGRES_TIMEOUT') };
}
