/** `npm run schema`: writes migrations/schema.sql, what all migrations together make. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describeSchema } from './database/schema.ts';
import { startEmbeddedPostgres } from './embedded/embedded-postgres.ts';
import { withClient } from './embedded/own-database.ts';
import { migrate } from './migrate.ts';
import { runOnce } from './process/command.ts';
import { projectPath } from './process/project.ts';

async function writeSchema(): Promise<void> {
  const dataDir = mkdtempSync(`${tmpdir()}/mana-edge-schema-`);
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false });
  try {
    await migrate(postgres.databaseUrl);
    const text = await withClient(postgres.databaseUrl, 'schema', describeSchema);
    writeFileSync(projectPath('migrations/schema.sql'), text);
  } finally {
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

await runOnce('schema', writeSchema);
