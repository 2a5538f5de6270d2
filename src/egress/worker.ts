/**
 * The way out of a self-hosted Worker: workerd sends every fetch and every socket of it through here (`globalOutbound` in workerd.capnp).
 * What the Worker's configuration names passes, anything else fails. It stands alone, without imports of ours: workerd embeds this one file.
 */
import { connect } from 'cloudflare:sockets';

/** Bindings: the variables of the Worker whose way out this is, as they came; a malformed one allows nothing. */
type Variables = Readonly<Record<string, string | null | undefined>>;

/** Bindings that hold no URL of something that is fetched. */
const NOT_FETCHED = ['DATABASE_URL', 'MANA_AUTH_PORT'];

/** Key sets stand at mana-auth where nothing else is set; the port as src/config/variables.ts has it. */
const DEFAULT_AUTH_PORT = '3001';

function allowedOrigins(env: Variables): Set<string> {
  const urls = Object.entries(env).flatMap(([name, text]) =>
    NOT_FETCHED.includes(name) ? [] : (text ?? ''),
  );
  urls.push(neonEndpoint(env));
  // Only a Worker that is told mana-auth's port fetches keys from there.
  if ('MANA_AUTH_PORT' in env)
    urls.push(`http://127.0.0.1:${env['MANA_AUTH_PORT'] || DEFAULT_AUTH_PORT}`);
  return new Set(urls.flatMap((text) => URL.parse(text)?.origin ?? []));
}

/** The driver asks Neon over HTTPS, at the host's name with another first label. */
function neonEndpoint(env: Variables): string {
  const host = databaseUrl(env)?.hostname ?? '';
  return /\.neon\.(?:tech|build)$/i.test(host) ? `https://${host.replace(/^[^.]+\./, 'api.')}` : '';
}

function databaseUrl(env: Variables): URL | null {
  return URL.parse(env['DATABASE_URL'] ?? '');
}

function databaseAddress(env: Variables): string | null {
  const url = databaseUrl(env);
  return url === null || url.hostname === '' ? null : `${url.hostname}:${url.port || '5432'}`;
}

/** The caller sees its fetch or its socket fail; the sentence names no address, since it is logged. */
class EgressError extends Error {
  override name = 'EgressError';
}

/** The environment of a running process does not change. */
let allowed: ReadonlySet<string> | undefined;

/** Each request leaves little in V8's heap and much beside it, so V8 alone would collect too late (measured: 8 KB each, for ever). */
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
    // Nobody here follows redirects: each would be asked about like any other request.
    return fetch(request);
  },

  /** Sockets are PostgreSQL's. */
  async connect(socket: Socket, env: Variables): Promise<void> {
    const { localAddress } = await socket.opened;
    const address = databaseAddress(env);
    if (address === null || localAddress !== address) {
      throw new EgressError(
        'a socket to an address that the configuration does not name was refused',
      );
    }
    const database = connect(address);
    // Whichever side ends first ends the other: a half-open connection would look like a server that thinks.
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
