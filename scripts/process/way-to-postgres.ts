import { isNeonUrl } from '../../src/config/neon-url.ts';
import { readAuthorities } from '../database/authorities.ts';
import { type DatabaseWay, findDatabase, withPreparedPassword } from '../database/connect.ts';
import type { Environment } from './environment.ts';
import type { Trust } from './trust.ts';

/** The variables that hold a URL of PostgreSQL, as workerd.capnp's egress knows them. */
const DATABASES = ['DATABASE_URL', 'MANA_LISTEN_URL'] as const;

/**
 * What the Workers get to reach PostgreSQL: whole URLs, which hold what only the environment held,
 * and for their egress how each address is encrypted. The Workers themselves speak plainly to the
 * egress, hence sslmode=disable.
 * @throws StartError where a database cannot be reached as its URL asks
 */
export async function prepareWayToPostgres(
  environment: Environment,
): Promise<{ environment: Environment; trust: Trust }> {
  const file = environment['MANA_CA_FILE'];
  const authorities = file ? readAuthorities('MANA_CA_FILE', file) : [];
  const ways: [name: string, way: DatabaseWay][] = [];
  for (const name of DATABASES) {
    const url = environment[name];
    if (url && !isNeonUrl(url))
      ways.push([name, await withPreparedPassword(await findDatabase(name, url, environment))]);
  }
  for (const [name, way] of ways) sayWhatIsPinned(name, way);
  return {
    environment: {
      ...environment,
      ...Object.fromEntries(ways.map(([name, way]) => [name, urlForWorkers(way)])),
      MANA_POSTGRES_TLS: JSON.stringify(Object.fromEntries(ways.flatMap(([, way]) => tlsOf(way)))),
    },
    trust: { authorities, postgres: ways.flatMap(([, { encryption }]) => trusted(encryption)) },
  };
}

function sayWhatIsPinned(name: string, { target, encryption }: DatabaseWay): void {
  if (!encryption.tls || !encryption.pinned || target.sslMode === 'prefer') return;
  process.stderr.write(
    `${name}: the certificate that PostgreSQL shows now is pinned (sslmode=${target.sslMode}); ` +
      'where it changes, connections stop until the next start\n',
  );
}

function urlForWorkers({ target }: DatabaseWay): string {
  const url = new URL(target.url);
  url.searchParams.set('sslmode', 'disable');
  return url.href;
}

function trusted(encryption: DatabaseWay['encryption']): readonly string[] {
  return encryption.tls ? encryption.trusted : [];
}

function tlsOf({ target, encryption }: DatabaseWay): [string, object][] {
  if (!encryption.tls) return [];
  const { hostname } = new URL(target.url);
  const orPlain = target.sslMode === 'prefer';
  return [[`${hostname}:${target.port}`, { serverName: encryption.serverName, orPlain }]];
}
