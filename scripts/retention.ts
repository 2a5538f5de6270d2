/**
 * `npm run retention -- --days N`: shortens what is kept of the past, as the tables' owner, any
 * time.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import type { Client } from 'pg';
import { checkedConfig } from './process/checked-config.ts';
import { runOnce } from './process/command.ts';
import { readEnvironment, StartError } from './process/environment.ts';
import { openOwnDatabase, withClient } from './embedded/own-database.ts';

const DAY_MS = 24 * 60 * 60_000;

/**
 * Shortens every user's audit; each user is a transaction of its own, so that a run that was cut
 * off has only less to do the next time.
 * @returns how many rows went, of how many users
 */
export async function compactAudits(
  client: Client,
  olderThan: Date,
): Promise<{ users: number; rows: number }> {
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

/** Deletes what was noted of uses of the vault before `olderThan`; answers how many rows. */
export async function dropVaultUses(client: Client, olderThan: Date): Promise<number> {
  const { rowCount } = await client.query('delete from mana_auth.vault_audit where at < $1', [
    olderThan,
  ]);
  return rowCount ?? 0;
}

/**
 * Deletes grants whose time was over before `olderThan`, revoked ones as well; answers how many.
 */
export async function dropEndedGrants(client: Client, olderThan: Date): Promise<number> {
  const { rowCount } = await client.query('delete from mana_auth.grants where expires_at < $1', [
    olderThan,
  ]);
  return rowCount ?? 0;
}

function readDays(args: readonly string[]): number {
  const usage = '--days wants how many days stay, 1 to 36500: npm run retention -- --days 365';
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
  const environment = readEnvironment();
  const database = await openOwnDatabase(environment, resolve(checkedConfig(environment).dataDir));
  // A little more than a day, so that one day is not refused as less than one.
  const olderThan = new Date(Date.now() - days * DAY_MS - 1_000);
  try {
    await withClient(database.databaseUrl, 'retention', async (client) => {
      const { users, rows } = await compactAudits(client, olderThan);
      console.log(`audit: ${rows} rows of ${users} users became checkpoints`);
      console.log(`uses of the vault: ${await dropVaultUses(client, olderThan)} rows removed`);
      console.log(`grants that had ended: ${await dropEndedGrants(client, olderThan)} removed`);
    });
  } finally {
    await database.close();
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  await runOnce('retention', main);
