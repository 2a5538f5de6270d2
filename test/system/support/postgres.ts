/** A PostgreSQL for one test file: in a temporary folder, on a free port. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../../scripts/embedded/embedded-postgres.ts';

export type TestPostgres = {
  databaseUrl: string;
  dataDir: string;
  /** One statement as the superuser, on one connection: `begin` and `set local role` hold for the next call. */
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
};

/** Starts an empty database, without our migrations. */
export async function startPostgres(): Promise<TestPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), 'mana-edge-postgres-'));
  try {
    const postgres = await startEmbeddedPostgres({ dataDir, durable: false });
    const client = new Client({ connectionString: postgres.databaseUrl });
    client.on('error', () => undefined);
    await client.connect();
    return {
      databaseUrl: postgres.databaseUrl,
      dataDir,
      query: async (text, values) => {
        const result = await client.query<Record<string, unknown>>(
          text,
          values === undefined ? [] : [...values],
        );
        return result.rows;
      },
      stop: async () => {
        await client.end();
        await postgres.stop();
        await rm(dataDir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true });
    throw error;
  }
}
