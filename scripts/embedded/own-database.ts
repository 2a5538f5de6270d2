import { existsSync } from 'node:fs';
import type { Client } from 'pg';
import { findDatabase, openConnection } from '../database/connect.ts';
import { runningEmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import { embeddedSecrets, withOwnKeys } from './embedded-secrets.ts';
import { type Environment, readEnvironment, StartError } from '../process/environment.ts';

export type OwnDatabase = { databaseUrl: string; close(): Promise<void> };

/**
 * The database of DATABASE_URL or, where that is unset, the one that `npm start` made in the data
 * folder, started where it does not run.
 */
export async function openOwnDatabase(
  environment: Environment,
  dataDir: string,
): Promise<OwnDatabase> {
  const missing = !environment['DATABASE_URL'] && !existsSync(`${dataDir}/postgres/cluster`);
  if (missing)
    throw new StartError('DATABASE_URL is not set, and npm start has made no database here');
  return openOrMakeDatabase(environment, dataDir);
}

/**
 * The same for an empty machine: if there is neither of the two, the database of `npm start` is
 * made.
 */
export async function openOrMakeDatabase(
  environment: Environment,
  dataDir: string,
): Promise<OwnDatabase> {
  const databaseUrl = environment['DATABASE_URL'];
  if (databaseUrl) return { databaseUrl, close: async () => undefined };
  const folder = `${dataDir}/postgres`;
  const running = await runningEmbeddedPostgres(folder);
  if (running !== null) return { databaseUrl: running, close: async () => undefined };
  const started = await startEmbeddedPostgres({ dataDir: folder });
  return { databaseUrl: started.databaseUrl, close: () => started.stop() };
}

/**
 * The environment with the keys that `npm start` made in the data folder, where it is the one that
 * is used here.
 */
export function withKeysOfStart(environment: Environment, dataDir: string): Environment {
  if (environment['DATABASE_URL'] || !existsSync(`${dataDir}/secrets.json`)) return environment;
  return { ...environment, ...withOwnKeys(environment, embeddedSecrets(dataDir)) };
}

/**
 * Runs work on one connection. What the driver throws may name the connection with its password:
 * only its code is passed on.
 */
export async function withClient<T>(
  databaseUrl: string,
  command: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  let client: Client;
  try {
    const way = await findDatabase('DATABASE_URL', databaseUrl, readEnvironment());
    client = await openConnection(way, command);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`PostgreSQL cannot be reached${codeOf(error)}`);
  }
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
}
