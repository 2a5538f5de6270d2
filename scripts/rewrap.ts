/**
 * `npm run rewrap`: wraps all master keys of the vault by the current (first) MANA_AUTH_KEK, so
 * that the old ones can go.
 */
import type { Client } from 'pg';
import { parseManaAuthConfig } from '../src/config/mana-auth.ts';
import { importKekRing } from '../src/mana-auth/kek-ring.ts';
import { rewrapAll } from '../src/mana-auth/rewrap.ts';
import { type Database, scopeStatement } from '../src/postgres/port.ts';
import { findDatabase, openConnection } from './database/connect.ts';
import { readEnvironment, StartError } from './process/environment.ts';

/**
 * Transactions on one connection, one after the other. All columns that are asked for are texts.
 */
function databaseOn(client: Client): Database {
  return {
    async transaction(request) {
      await client.query('begin');
      try {
        const results = [];
        for (const { text, values } of [scopeStatement(request), ...request.statements]) {
          results.push((await client.query<Record<string, string | null>>(text, [...values])).rows);
        }
        await client.query('commit');
        return results.slice(1);
      } catch (error) {
        await client.query('rollback').catch(() => undefined);
        throw error;
      }
    },
  };
}

async function rewrap(): Promise<void> {
  const parsed = parseManaAuthConfig(readEnvironment());
  if (!parsed.ok) throw new StartError(`${parsed.variable} ${parsed.message}`);
  const { databaseUrl, keks } = parsed.config;
  if (databaseUrl === null) throw new StartError('DATABASE_URL is not set');
  if (keks.length === 0) throw new StartError('MANA_AUTH_KEK is not set');
  const way = await findDatabase('DATABASE_URL', databaseUrl, readEnvironment());
  const client = await openConnection(way, 'rewrap');
  try {
    const { rewrapped, unreadable, missingKekIds } = await rewrapAll(
      databaseOn(client),
      await importKekRing(keks),
    );
    console.log(`rewrap: ${rewrapped} master keys are wrapped by the current KEK now`);
    if (unreadable === 0) return;
    const missing =
      missingKekIds.length === 0 ? '' : `; MANA_AUTH_KEK lacks ${missingKekIds.join(', ')}`;
    throw new StartError(`${unreadable} do not open and stay as they are${missing}`);
  } finally {
    await client.end();
  }
}

try {
  await rewrap();
} catch (error) {
  // What the driver throws may name the connection with its password.
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
  console.error(
    `rewrap: ${error instanceof StartError ? error.message : `PostgreSQL could not be asked${code}`}`,
  );
  process.exitCode = 1;
}
