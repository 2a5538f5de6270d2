import { isLocalHost } from './locality.ts';
import { isNeonUrl } from './neon-url.ts';

/**
 * How a connection to PostgreSQL is protected, in the words of libpq (PostgreSQL manual, 32.19 "SSL
 * Support"). `allow` counts as `prefer`: both take what the server offers.
 */
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

/** Where PostgreSQL is, with everything that only the environment held written into `url`. */
export type DatabaseTarget = {
  /** postgres://user:password@host:port/database, without a word about TLS */
  url: string;
  /** as sockets take it: an IPv6 address has no brackets */
  host: string;
  port: number;
  sslMode: SslMode;
  /** a PEM file that the URL or PGSSLROOTCERT names; `system` are the CAs that browsers trust */
  rootCertificates: 'system' | { file: string };
};

export type DatabaseUrlResult =
  { ok: true; target: DatabaseTarget } | { ok: false; message: string };

/** The variables of libpq that fill in what a URL leaves out (PostgreSQL manual, 32.15). */
export type LibpqVariables = Readonly<
  Partial<
    Record<
      | 'PGUSER'
      | 'PGPASSWORD'
      | 'PGPORT'
      | 'PGDATABASE'
      | 'PGSSLMODE'
      | 'PGSSLROOTCERT'
      | 'PGCHANNELBINDING',
      string
    >
  >
>;

const SSL_MODES: Readonly<Record<string, SslMode>> = {
  disable: 'disable',
  allow: 'prefer',
  prefer: 'prefer',
  require: 'require',
  'no-verify': 'require',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
};

/** `ssl=` is the word of other drivers for the same wish. */
const SSL_WORDS: Readonly<Record<string, SslMode>> = {
  true: 'verify-full',
  1: 'verify-full',
  on: 'verify-full',
  false: 'disable',
  0: 'disable',
  off: 'disable',
  'no-verify': 'require',
};

/** Parameters that ask for what connections from workerd cannot do, with the values that do not. */
const UNSUPPORTED: readonly { name: string; harmless: readonly string[]; instead: string }[] = [
  { name: 'sslcert', harmless: [], instead: 'client certificates are not supported' },
  { name: 'sslkey', harmless: [], instead: 'client certificates are not supported' },
  { name: 'sslcrl', harmless: [], instead: 'revocation lists are not read' },
  { name: 'sslcrldir', harmless: [], instead: 'revocation lists are not read' },
  {
    name: 'sslnegotiation',
    harmless: ['postgres'],
    instead: 'TLS begins with an SSLRequest here; leave it out',
  },
  {
    name: 'channel_binding',
    harmless: ['disable', 'prefer'],
    instead: 'channel binding is not supported; leave it out and use sslmode=verify-full',
  },
  {
    name: 'gssencmode',
    harmless: ['disable', 'prefer'],
    instead: 'GSS encryption is not supported',
  },
  { name: 'require_auth', harmless: [], instead: 'the way to authenticate cannot be demanded' },
  {
    name: 'ssl_min_protocol_version',
    harmless: ['tlsv1', 'tlsv1.1', 'tlsv1.2'],
    instead: 'TLS 1.2 is the least; no higher one can be demanded',
  },
  {
    name: 'ssl_max_protocol_version',
    harmless: ['tlsv1.3'],
    instead: 'the newest version of TLS is used; leave it out',
  },
  {
    name: 'target_session_attrs',
    harmless: ['any', 'read-write', 'primary', 'prefer-standby'],
    instead: 'the runner writes and needs a primary',
  },
  { name: 'service', harmless: [], instead: 'service files are not read; write the parts out' },
  { name: 'passfile', harmless: [], instead: 'password files are not read; set PGPASSWORD' },
];

const TLS_PARAMETERS = ['sslmode', 'ssl', 'requiressl', 'sslrootcert', 'sslsni'];

/** Parameters that repeat a part of the URL proper; that part must not stand there too. */
const PARTS = ['host', 'hostaddr', 'port', 'user', 'password', 'dbname'] as const;

/**
 * DATABASE_URL as a Worker takes it. Where the operator asks for nothing and the host is local, a
 * Worker speaks plainly; `serve` has its egress encrypt and gives the Worker sslmode=disable.
 * @throws Error where the URL is malformed, which the configuration refuses before
 */
export function tcpTarget(databaseUrl: string): { url: string; encrypt: boolean } {
  const read = readDatabaseUrl(databaseUrl);
  if (!read.ok) throw new Error(`DATABASE_URL ${read.message}`);
  const { url, sslMode } = read.target;
  return { url, encrypt: sslMode !== 'disable' && sslMode !== 'prefer' };
}

class Refusal extends Error {}

/**
 * Reads DATABASE_URL as libpq does, as far as a Worker can follow: every wish is kept or refused
 * by its name, never dropped in silence.
 * @param text the variable as it came
 * @param variables what the environment has of libpq's variables
 * @returns the target, or a sentence without any part of the URL
 */
export function readDatabaseUrl(text: string, variables: LibpqVariables = {}): DatabaseUrlResult {
  try {
    return { ok: true, target: targetOf(text, variables) };
  } catch (thrown) {
    if (thrown instanceof Refusal) return { ok: false, message: thrown.message };
    throw thrown;
  }
}

function targetOf(text: string, variables: LibpqVariables): DatabaseTarget {
  const url = parsed(text);
  const parameters = singleParameters(url);
  takeParts(url, parameters);
  refuseMissingHost(url);
  fillFrom(url, variables);
  refuseUnsupported(url, parameters, variables);
  const sslMode = sslModeOf(url, parameters, variables);
  const rootCertificates = rootCertificatesOf(parameters, variables, sslMode);
  for (const name of TLS_PARAMETERS.concat(UNSUPPORTED.map((one) => one.name)))
    url.searchParams.delete(name);
  return {
    url: url.href,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 5432),
    sslMode,
    rootCertificates,
  };
}

function parsed(text: string): URL {
  if (!/^postgres(?:ql)?:\/\//i.test(text))
    throw new Refusal('wants postgres://user:password@host:port/database');
  const authority = text.replace(/^[a-z]+:\/\//i, '').split(/[/?#]/, 1)[0] ?? '';
  const hosts = authority.slice(authority.lastIndexOf('@') + 1);
  if (hosts.includes(',')) throw severalHosts();
  if (/^%2f/i.test(hosts)) throw unixSocket();
  const url = URL.parse(text);
  if (url === null || !isDecodable(url))
    throw new Refusal('wants a URL with a host; write % as %25 and signs of a password likewise');
  if (url.hash !== '') throw new Refusal('holds a #; write it as %23');
  return url;
}

function severalHosts(): Refusal {
  return new Refusal('names several hosts; name one, such as that of a pooler before them');
}

function unixSocket(): Refusal {
  return new Refusal(
    'names a Unix socket, which workerd cannot open; name a host such as 127.0.0.1',
  );
}

/** A stray % in a password breaks the driver at its first connection, far from here. */
function isDecodable({ username, password, pathname }: URL): boolean {
  try {
    return [username, password, pathname].every(
      (part) => typeof decodeURIComponent(part) === 'string',
    );
  } catch {
    return false;
  }
}

function singleParameters(url: URL): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (parameters.has(name)) throw new Refusal(`names ${printable(name)} twice`);
    parameters.set(name, value);
  }
  return parameters;
}

function printable(name: string): string {
  return /^\w{1,40}$/.test(name) ? name : 'a parameter';
}

/** Moves what stands as a parameter to its place in the URL. */
function takeParts(url: URL, parameters: ReadonlyMap<string, string>): void {
  for (const part of PARTS) {
    const value = parameters.get(part);
    if (value === undefined) continue;
    if (partOf(url, part) !== '')
      throw new Refusal(`names its ${part} twice, before the ? and after it`);
    url.searchParams.delete(part);
    setPart(url, part, value);
  }
}

function partOf(url: URL, part: (typeof PARTS)[number]): string {
  switch (part) {
    case 'user':
      return url.username;
    case 'password':
      return url.password;
    case 'dbname':
      return url.pathname.replace(/^\//, '');
    case 'port':
      return url.port;
    case 'host':
    case 'hostaddr':
      return url.hostname;
    default:
      return part satisfies never;
  }
}

function setPart(url: URL, part: (typeof PARTS)[number], value: string): void {
  switch (part) {
    case 'user':
      url.username = encodeURIComponent(value);
      return;
    case 'password':
      url.password = encodeURIComponent(value);
      return;
    case 'dbname':
      url.pathname = `/${encodeURIComponent(value)}`;
      return;
    case 'port':
      setPort(url, value);
      return;
    case 'host':
    case 'hostaddr':
      setHost(url, value);
      return;
    default:
      part satisfies never;
  }
}

function setHost(url: URL, value: string): void {
  if (/^[/@]/.test(value)) throw unixSocket();
  if (value.includes(',')) throw severalHosts();
  url.hostname = value.includes(':') ? `[${value}]` : value;
  if (url.hostname === '') throw new Refusal('wants a host name or an address');
}

function setPort(url: URL, value: string): void {
  if (!/^\d{1,5}$/.test(value) || Number(value) < 1 || Number(value) > 65_535)
    throw new Refusal('wants a port from 1 to 65535');
  url.port = value;
}

function refuseMissingHost(url: URL): void {
  if (url.hostname === '')
    throw new Refusal('names no host, which means a Unix socket; workerd cannot open one');
}

/** What only the environment holds must stand in the URL: the Workers see nothing else. */
function fillFrom(url: URL, variables: LibpqVariables): void {
  if (url.username === '' && variables.PGUSER) setPart(url, 'user', variables.PGUSER);
  if (url.password === '' && variables.PGPASSWORD) setPart(url, 'password', variables.PGPASSWORD);
  if (url.port === '' && variables.PGPORT) setPort(url, variables.PGPORT);
  if (partOf(url, 'dbname') === '') {
    const database = variables.PGDATABASE || decodeURIComponent(url.username);
    if (database !== '') setPart(url, 'dbname', database);
  }
}

function refuseUnsupported(
  url: URL,
  parameters: ReadonlyMap<string, string>,
  { PGCHANNELBINDING }: LibpqVariables,
): void {
  // Neon is asked over HTTPS, whose certificate is always verified: what it prints in its console
  // (channel_binding=require) is kept better there than the words say.
  if (isNeonUrl(url.href)) return;
  const asked = new Map(parameters);
  if (PGCHANNELBINDING && !asked.has('channel_binding'))
    asked.set('channel_binding', PGCHANNELBINDING);
  for (const { name, harmless, instead } of UNSUPPORTED) {
    const value = asked.get(name)?.toLowerCase();
    if (value !== undefined && value !== '' && !harmless.includes(value))
      throw new Refusal(`asks for ${name}: ${instead}`);
  }
}

function sslModeOf(
  url: URL,
  parameters: ReadonlyMap<string, string>,
  variables: LibpqVariables,
): SslMode {
  const wishes = [
    wish('sslmode', parameters.get('sslmode'), SSL_MODES),
    wish('ssl', parameters.get('ssl'), SSL_WORDS),
    parameters.get('requiressl') === '1' ? ('require' as const) : undefined,
  ].filter((mode) => mode !== undefined);
  if (new Set(wishes).size > 1) throw new Refusal('names two different wishes about TLS');
  return (
    wishes[0] ??
    wish('PGSSLMODE', variables.PGSSLMODE || undefined, SSL_MODES) ??
    (isLocalHost(url.hostname) ? 'prefer' : 'verify-full')
  );
}

function wish(
  name: string,
  value: string | undefined,
  words: Readonly<Record<string, SslMode>>,
): SslMode | undefined {
  if (value === undefined) return undefined;
  const mode = Object.hasOwn(words, value.toLowerCase()) ? words[value.toLowerCase()] : undefined;
  if (mode === undefined)
    throw new Refusal(`has a ${name} that is none of ${Object.keys(words).join(', ')}`);
  return mode;
}

/** libpq: `system` stands for the system's CAs and demands verify-full. */
function rootCertificatesOf(
  parameters: ReadonlyMap<string, string>,
  { PGSSLROOTCERT }: LibpqVariables,
  sslMode: SslMode,
): DatabaseTarget['rootCertificates'] {
  const file = parameters.get('sslrootcert') || PGSSLROOTCERT || 'system';
  if (file !== 'system') return { file };
  if (parameters.get('sslrootcert') === 'system' && sslMode !== 'verify-full')
    throw new Refusal('has sslrootcert=system, which wants sslmode=verify-full');
  return 'system';
}
