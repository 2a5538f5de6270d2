/**
 * The way out of a self-hosted Worker: workerd sends every fetch and every socket of it through
 * here (`globalOutbound` in workerd.capnp). What the Worker's configuration names passes, anything
 * else fails.
 */
import { startPostgresTls } from '../postgres/start-tls.ts';

/**
 * The variables of the Worker whose way out this is, as they came; a malformed one allows nothing.
 */
type Variables = Readonly<Record<string, unknown>>;

/**
 * `POSTGRES`: a network that trusts what `serve` found to be PostgreSQL's certificate or its CA.
 */
type Bindings = Variables & { readonly POSTGRES: Fetcher };

/** Bindings that hold no URL of something that is fetched. */
const NOT_FETCHED = [
  'POSTGRES',
  'DATABASE_URL',
  'MANA_LISTEN_URL',
  'MANA_POSTGRES_TLS',
  'MANA_AUTH_PORT',
];

/**
 * Variables that hold the URL of PostgreSQL: of transactions, and of LISTEN where that goes another
 * way.
 */
const DATABASES = ['DATABASE_URL', 'MANA_LISTEN_URL'] as const;

/**
 * Key sets stand at mana-auth where nothing else is set; the port as src/config/variables.ts has
 * it.
 */
const DEFAULT_AUTH_PORT = '3001';

function allowedOrigins(env: Variables): Set<string> {
  const urls = Object.entries(env).flatMap(([name, text]) =>
    NOT_FETCHED.includes(name) ? [] : textOf(text),
  );
  urls.push(neonEndpoint(env));
  // Only a Worker that is told mana-auth's port fetches keys from there.
  if ('MANA_AUTH_PORT' in env)
    urls.push(`http://127.0.0.1:${textOf(env['MANA_AUTH_PORT']) || DEFAULT_AUTH_PORT}`);
  return new Set(urls.flatMap((text) => URL.parse(text)?.origin ?? []));
}

/** The driver asks Neon over HTTPS, at the host's name with another first label. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function neonEndpoint(env: Variables): string {
  const host = databaseUrl(env)?.hostname ?? '';
  return /\.neon\.(?:tech|build)$/i.test(host) ? `https://${host.replace(/^[^.]+\./, 'api.')}` : '';
}

function databaseUrl(env: Variables): URL | null {
  return URL.parse(textOf(env['DATABASE_URL']));
}

function databaseAddresses(env: Variables): string[] {
  return DATABASES.flatMap((name) => {
    const url = URL.parse(textOf(env[name]));
    return url === null || url.hostname === '' ? [] : [`${url.hostname}:${url.port || '5432'}`];
  });
}

/**
 * How each address is encrypted, as `serve` found it: a name that the certificate holds, or
 * plaintext for addresses that are not here. `orPlain`: sslmode=prefer.
 */
type Encryption = Readonly<Record<string, { serverName: string; orPlain: boolean }>>;

function encryptionOf(env: Variables, address: string): Encryption[string] | undefined {
  const encryption = JSON.parse(textOf(env['MANA_POSTGRES_TLS']) || '{}') as Encryption;
  return Object.hasOwn(encryption, address) ? encryption[address] : undefined;
}

async function openDatabase(env: Bindings, address: string): Promise<Socket> {
  const encryption = encryptionOf(env, address);
  if (encryption === undefined) return env.POSTGRES.connect(address);
  try {
    const socket = env.POSTGRES.connect(address, {
      secureTransport: 'starttls',
      allowHalfOpen: false,
    });
    const encrypted = await startPostgresTls(socket, encryption.serverName);
    await encrypted.opened;
    return encrypted;
  } catch (cause) {
    if (!encryption.orPlain) throw cause;
    return env.POSTGRES.connect(address);
  }
}

/**
 * The caller sees its fetch or its socket fail; the sentence names no address, since it is logged.
 */
class EgressError extends Error {
  override name = 'EgressError';
}

/** The environment of a running process does not change. */
let allowed: ReadonlySet<string> | undefined;

/**
 * Each request leaves little in V8's heap and much beside it, so V8 alone would collect too late
 * (measured: 8 KB each, for ever).
 */
const COLLECT_EVERY_REQUESTS = 50;
let requests = 0;

function collectGarbage(): void {
  requests += 1;
  // Present only where workerd runs with --expose-gc (workerd.capnp).
  if (requests % COLLECT_EVERY_REQUESTS === 0) (globalThis as { gc?: () => void }).gc?.();
}

export default {
  async fetch(request: Request, env: Variables): Promise<Response> {
    collectGarbage();
    allowed ??= allowedOrigins(env);
    if (!allowed.has(new URL(request.url).origin)) {
      throw new EgressError('a request to a host that the configuration does not name was refused');
    }
    // Redirects are not followed here: the Worker asks for the new address, which is checked like
    // any other.
    return fetch(request);
  },

  /**
   * Sockets are PostgreSQL's. A Worker speaks plainly to this one; what leaves is encrypted here.
   */
  async connect(socket: Socket, env: Bindings): Promise<void> {
    const { localAddress } = await socket.opened;
    if (localAddress === undefined || !databaseAddresses(env).includes(localAddress)) {
      throw new EgressError(
        'a socket to an address that the configuration does not name was refused',
      );
    }
    const database = await openDatabase(env, localAddress);
    // Whichever side ends first ends the other: a half-open connection would look like a server
    // that thinks.
    const ends = [
      socket.readable.pipeTo(database.writable),
      database.readable.pipeTo(socket.writable),
    ];
    try {
      await Promise.race(ends);
    } finally {
      await Promise.allSettled([database.close(), socket.close(), ...ends]);
    }
  },
};
