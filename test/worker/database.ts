import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { startEmbeddedPostgres } from '../../scripts/embedded/embedded-postgres.ts';
import { migrate } from '../../scripts/migrate.ts';
import { Client } from 'pg';

/** A real PostgreSQL at the address that vitest.worker.config.ts binds; the role `postgres` gets the password that it names. */
export default async function setup(): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(`${tmpdir()}/mana-edge-worker-`);
  const port = Number(process.env['MANA_TEST_POSTGRES_PORT']);
  const postgres = await startEmbeddedPostgres({ dataDir, port, durable: false });
  await migrate(postgres.databaseUrl);
  const client = new Client({ connectionString: postgres.databaseUrl });
  await client.connect();
  await client.query(`alter role postgres password 'test'`);
  await client.end();
  return async () => {
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
}
