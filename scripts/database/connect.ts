/** The one way of the commands to PostgreSQL. */
import { userInfo } from 'node:os';
import prepare from '@mongodb-js/saslprep';
import { Client } from 'pg';
import { type DatabaseTarget, readDatabaseUrl } from '../../src/config/database-url.ts';
import { type Environment, StartError } from '../process/environment.ts';
import { readAuthorities } from './authorities.ts';
import { type Encryption, negotiateEncryption, tlsOptions } from './encryption.ts';

/** Where PostgreSQL is and how the way there is encrypted, agreed with the server. */
export type DatabaseWay = { target: DatabaseTarget; encryption: Encryption };

const CONNECT_WITHIN_MS = 10_000;

/**
 * Reads a URL of PostgreSQL with the variables of libpq beside it and agrees with the server on
 * TLS.
 * @param name the variable that holds the URL
 * @throws StartError with a sentence that never holds the password
 */
export async function findDatabase(
  name: string,
  url: string,
  environment: Environment,
): Promise<DatabaseWay> {
  const target = targetOf(name, url, environment);
  return {
    target,
    encryption: await negotiateEncryption(target, authorities(target, environment)),
  };
}

function targetOf(name: string, url: string, environment: Environment): DatabaseTarget {
  const user = environment['PGUSER'] || userInfo().username;
  const read = readDatabaseUrl(url, { ...environment, PGUSER: user });
  if (!read.ok) throw new StartError(`${name} ${read.message}`);
  return read.target;
}

function authorities({ rootCertificates }: DatabaseTarget, environment: Environment): string[] {
  const file = environment['MANA_CA_FILE'];
  return [
    ...(file ? readAuthorities('MANA_CA_FILE', file) : []),
    ...(rootCertificates === 'system' ? [] : readAuthorities('sslrootcert', rootCertificates.file)),
  ];
}

/**
 * Opens a connection.
 * @throws what the driver says; its message may name user, host and database, never the password
 */
export async function openConnection(
  { target, encryption }: DatabaseWay,
  applicationName: string,
): Promise<Client> {
  const client = new Client({
    connectionString: target.url,
    ssl: tlsOptions(encryption),
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    application_name: `mana-edge ${applicationName}`,
  });
  // Without a listener a connection that breaks while idle would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    throw saysPasswordIsMissing(error) && new URL(target.url).password === ''
      ? new StartError(
          `PostgreSQL at ${target.host}:${target.port} asks for a password, and neither ` +
            'DATABASE_URL nor PGPASSWORD has one',
        )
      : error;
  }
}

/** The driver has no code for it. */
function saysPasswordIsMissing(error: unknown): boolean {
  return (
    error instanceof Error && /client password must be a (?:non-empty )?string/.test(error.message)
  );
}

/**
 * The URL whose password every driver sends alike. PostgreSQL prepares a password by SASLprep
 * (RFC 4013) before it hashes it, and the Workers' driver sends it as it is; where the server knows
 * the password otherwise (md5, or none that can be prepared) it stays as it is.
 */
export async function withPreparedPassword(way: DatabaseWay): Promise<DatabaseWay> {
  const url = new URL(way.target.url);
  const prepared = preparedPassword(decodeURIComponent(url.password));
  if (prepared === null) return way;
  url.password = encodeURIComponent(prepared);
  const candidate = { ...way, target: { ...way.target, url: url.href } };
  return (await opens(candidate)) ? candidate : way;
}

function preparedPassword(password: string): string | null {
  try {
    const prepared = prepare(password, { allowUnassigned: true });
    return prepared === password ? null : prepared;
  } catch {
    return null;
  }
}

async function opens(way: DatabaseWay): Promise<boolean> {
  try {
    await (await openConnection(way, 'check')).end();
    return true;
  } catch {
    return false;
  }
}
