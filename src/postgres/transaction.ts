import { neon, Pool, type PoolClient } from '@neondatabase/serverless';
import { classifyDriverError, PostgresError, postgresFailure } from './errors.ts';
import { connectionSettings, type TcpTarget, useTcpTransport } from './driver.ts';
import { TransactionPipeline } from './pipeline.ts';
import { type Database, type Row, scopeStatement, type TransactionRequest } from './port.ts';

const IDLE_TIMEOUT_MS = 30_000;

/** Above the server's own statement timeout: only a stalled server or a broken path gets here. */
const ANSWER_TIMEOUT_MS = 20_000;

export type TcpDatabaseSettings = {
  target: TcpTarget;
  applicationName: string;
  maxConnections: number;
};

/**
 * Transactions over TCP: bounded connections, each transaction in one round trip. Belongs to the
 * object that makes it.
 */
export function tcpDatabase(settings: TcpDatabaseSettings): Database {
  useTcpTransport();
  const pool = new Pool({
    ...connectionSettings(settings.target, settings.applicationName),
    max: settings.maxConnections,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
  });
  // An idle connection that breaks is dropped by the pool; without a listener its error would end
  // the object.
  pool.on('error', () => undefined);
  return { transaction: (request) => transactionOnPool(pool, request) };
}

async function transactionOnPool(
  pool: Pool,
  request: TransactionRequest,
): Promise<readonly (readonly Row[])[]> {
  const client = await checkOut(pool);
  try {
    const results = await answered(client, request);
    client.release();
    return results;
  } catch (thrown) {
    const failure = classifyDriverError(thrown);
    await putBack(client, failure.code === 'POSTGRES_REFUSED');
    throw new PostgresError(failure);
  }
}

async function checkOut(pool: Pool): Promise<PoolClient> {
  const full = pool.totalCount >= (pool.options.max ?? 1) && pool.idleCount === 0;
  try {
    return await pool.connect();
  } catch (thrown) {
    throw new PostgresError(full ? postgresFailure('POSTGRES_BUSY') : classifyDriverError(thrown));
  }
}

async function answered(
  client: PoolClient,
  request: TransactionRequest,
): Promise<readonly (readonly Row[])[]> {
  const pipeline = new TransactionPipeline([scopeStatement(request), ...request.statements]);
  // A connection that ends never answers; the driver tells it by an event.
  const broken = (): void =>
    pipeline.handleError(new PostgresError(postgresFailure('POSTGRES_UNAVAILABLE')));
  const stalled = (): void =>
    pipeline.handleError(new PostgresError(postgresFailure('POSTGRES_TIMEOUT')));
  client.once('error', broken);
  client.once('end', broken);
  const timer = setTimeout(stalled, ANSWER_TIMEOUT_MS);
  try {
    client.query(pipeline as never);
    const results = await pipeline.completed;
    return results.slice(1);
  } finally {
    clearTimeout(timer);
    client.removeListener('error', broken);
    client.removeListener('end', broken);
  }
}

/**
 * After a refused statement the transaction is rolled back and the connection is used again. After
 * any other failure the connection is ended.
 */
async function putBack(client: PoolClient, reusable: boolean): Promise<void> {
  if (!reusable) return client.release(true);
  try {
    await client.query('rollback');
    client.release();
  } catch {
    client.release(true);
  }
}

/** Transactions over Neon's HTTP endpoint, which takes the whole list in one request. */
export function neonHttpDatabase(databaseUrl: string): Database {
  const sql = neon(databaseUrl, { types: { getTypeParser: () => (text: string) => text } });
  return {
    async transaction(request) {
      const statements = [scopeStatement(request), ...request.statements];
      try {
        const results = await sql.transaction(
          statements.map(({ text, values }) => sql.query(text, [...values])),
        );
        return results.slice(1);
      } catch (thrown) {
        throw new PostgresError(classifyDriverError(thrown));
      }
    },
  };
}
