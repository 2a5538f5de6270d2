/** `npm run compact-audit -- --days N`: retention. Replaces audit rows older than N days by one checkpoint per user, as the tables' owner. */
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { readEnvironment, StartError } from './environment.ts';

const DAY_MS = 24 * 60 * 60_000;

/**
 * Shortens every user's audit; each user is a transaction of its own, so that a run that was cut off has only less to do the next time.
 * @returns how many rows went, of how many users
 */
export async function compactAudits(client: Client, olderThan: Date): Promise<{ users: number; rows: number }> {
  const found = await client.query<{ user_id: string }>(
    'select user_id from mana_ai.decrypt_audit group by user_id having min(ts) < $1',
    [olderThan.toISOString()],
  );
  let users = 0;
  let rows = 0;
  for (const { user_id: userId } of found.rows) {
    const compacted = await client.query<{ rows: string }>(
      'select mana_ai.compact_decrypt_audit($1, $2::timestamptz)::text as rows',
      [userId, olderThan.toISOString()],
    );
    const gone = Number(compacted.rows[0]?.rows ?? 0);
    if (gone > 0) users += 1;
    rows += gone;
  }
  return { users, rows };
}

function readDays(args: readonly string[]): number {
  const usage = '--days wants how many days of the audit stay, 1 to 36500: npm run compact-audit -- --days 365';
  try {
    const { values } = parseArgs({ args: [...args], options: { days: { type: 'string' } } });
    const days = /^\d{1,5}$/.test(values.days ?? '') ? Number(values.days) : 0;
    if (days >= 1 && days <= 36_500) return days;
  } catch {
    // An argument that there is not: the usage says what there is.
  }
  throw new StartError(usage);
}

async function main(): Promise<void> {
  const days = readDays(process.argv.slice(2));
  const databaseUrl = readEnvironment()['DATABASE_URL'];
  if (databaseUrl === undefined || databaseUrl === '')
    throw new StartError('DATABASE_URL is not set; see .env.example');
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    // A little more than a day, so that one day is not refused as less than one.
    const { users, rows } = await compactAudits(client, new Date(Date.now() - days * DAY_MS - 1_000));
    console.log(`${rows} rows of ${users} users became checkpoints; what is younger than ${days} days stays`);
  } finally {
    await client.end();
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await main();
  } catch (thrown) {
    console.error(`compact-audit: ${thrown instanceof Error ? thrown.message : 'failed'}`);
    process.exitCode = 1;
  }
}
