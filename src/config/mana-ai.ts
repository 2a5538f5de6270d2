import { type PemKind, readPemKeys } from '../grants/pem.ts';
import { isNeonUrl } from './neon-url.ts';
import { ConfigError, EnvReader } from './env-reader.ts';
import { isCloudModel, isLocalHost, type Locality } from './locality.ts';

/** The runner's configuration. Null is unset; durations are in milliseconds. */
export type ManaAiConfig = {
  databaseUrl: string | null;
  port: number;
  authPort: number;
  dataDir: string;
  serviceKey: string | null;
  /** made by `serve` at each start, so that draining needs no service key */
  drainToken: string | null;
  tick: { enabled: boolean; intervalMs: number };
  llm: LlmConfig;
  timeZone: string;
  locale: string;
  userTokens: { jwksUrl: string; issuer: string; audience: string };
  grantJwksUrl: string;
  /** PEM texts as they came, checked; several keys each, the first is current */
  runnerKeys: { privatePem: string | null; publicPem: string | null };
  researchUrl: string | null;
};

export type LlmConfig = {
  /** With its path and without a slash at the end. */
  baseUrl: string | null;
  model: string | null;
  apiKey: string | null;
  locality: Locality;
  maxConcurrency: number;
  timeoutMs: number;
  maxTokens: number;
  maxTools: number;
};

/** `message` says what `variable` wants and never holds its value: `<variable> <message>` is a sentence. */
export type ConfigRefusal = { ok: false; variable: string; message: string };
export type ParsedConfig = { ok: true; config: ManaAiConfig } | ConfigRefusal;

const PORTS = { min: 1, max: 65_535 };
const INTERVALS = { min: 100, max: 86_400_000 };
const CONCURRENCY = { min: 1, max: 256 };
const TIMEOUTS = { min: 1, max: 3_600_000 };
const TOKENS = { min: 1, max: 1_000_000 };
const TOOLS = { min: 1, max: 256 };

/** Parses the environment, or a Worker's bindings; names that are not ours are ignored. Stops at the first malformed variable. */
export function parseManaAiConfig(env: Readonly<Record<string, unknown>> | object): ParsedConfig {
  try {
    return { ok: true, config: readConfig(new EnvReader({ ...env })) };
  } catch (thrown) {
    if (thrown instanceof ConfigError)
      return { ok: false, variable: thrown.variable, message: thrown.message };
    throw thrown;
  }
}

/** What mana-auth alone needs besides well-formed values. */
export function requireDatabase(config: ManaAiConfig): ParsedConfig {
  if (config.databaseUrl === null)
    return { ok: false, variable: 'DATABASE_URL', message: 'wants a postgres:// URL' };
  return { ok: true, config };
}

/** What `npm run serve` needs besides well-formed values. */
export function requireForServe(config: ManaAiConfig): ParsedConfig {
  const database = requireDatabase(config);
  if (!database.ok) return database;
  if (config.llm.baseUrl === null) {
    return {
      ok: false,
      variable: 'MANA_LLM_URL',
      message: 'wants the base URL of an OpenAI-compatible API',
    };
  }
  return { ok: true, config };
}

function readConfig(env: EnvReader): ManaAiConfig {
  const authPort = env.integer('MANA_AUTH_PORT', 3001, PORTS);
  return {
    databaseUrl: readDatabaseUrl(env),
    port: env.integer('MANA_AI_PORT', 3066, PORTS),
    authPort,
    dataDir: env.line('MANA_DATA_DIR') ?? './.data',
    serviceKey: env.headerText('MANA_SERVICE_KEY'),
    drainToken: env.headerText('MANA_DRAIN_TOKEN'),
    tick: {
      enabled: env.boolean('MANA_AI_TICK_ENABLED', true),
      intervalMs: env.integer('MANA_AI_TICK_INTERVAL_MS', 60_000, INTERVALS),
    },
    llm: readLlm(env),
    timeZone: readTimeZone(env),
    locale: readLocale(env),
    ...readKeySets(env, `http://127.0.0.1:${authPort}/.well-known`),
    runnerKeys: {
      privatePem: checkedKey(
        env,
        'MANA_AI_PRIVATE_KEY_PEM',
        'x25519-private',
        'wants X25519 private keys as PKCS#8 PEM',
      ),
      publicPem: checkedKey(
        env,
        'MANA_AI_PUBLIC_KEY_PEM',
        'x25519-public',
        'wants X25519 public keys as SPKI PEM',
      ),
    },
    researchUrl: env.httpUrl('MANA_RESEARCH_URL')?.href ?? null,
  };
}

/** The keys are imported where they are used; a malformed one must stop the start all the same. */
function checkedKey(env: EnvReader, name: string, kind: PemKind, wants: string): string | null {
  const text = env.text(name);
  if (text === null) return null;
  const keys = readPemKeys(text, kind);
  if (keys.ok) return text;
  throw new ConfigError(
    name,
    keys.reason === 'rsa' ? `${wants}, not RSA: run \`npm run keys -- --replace\`` : wants,
  );
}

function readDatabaseUrl(env: EnvReader): string | null {
  const text = env.line('DATABASE_URL');
  if (text === null) return null;
  const url = URL.parse(text);
  const usable =
    url !== null &&
    /^postgres(ql)?:$/.test(url.protocol) &&
    url.hostname !== '' &&
    isDecodable(url);
  if (!usable)
    throw new ConfigError('DATABASE_URL', 'wants a postgres:// or postgresql:// URL with a host');
  if (asksForTls(url) && !isNeonUrl(text)) {
    throw new ConfigError(
      'DATABASE_URL',
      'asks for TLS by sslmode, which connections over TCP do not have; use a tunnel or Neon',
    );
  }
  return text;
}

/** Data must not travel in the clear where its owner asked for the opposite. */
function asksForTls(url: URL): boolean {
  return ['require', 'verify-ca', 'verify-full'].includes(url.searchParams.get('sslmode') ?? '');
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

function readLlm(env: EnvReader): LlmConfig {
  const url = env.httpUrl('MANA_LLM_URL');
  if (url?.protocol === 'http:' && !isLocalHost(url.hostname)) {
    throw new ConfigError('MANA_LLM_URL', 'wants https:// unless its host is local');
  }
  const model = env.line('MANA_LLM_MODEL');
  const locality = readLocality(env, url, model);
  const local = locality === 'local';
  return {
    baseUrl: url === null ? null : llmBaseUrl(url),
    model,
    apiKey: env.headerText('MANA_LLM_API_KEY'),
    locality,
    maxConcurrency: env.integer('MANA_LLM_MAX_CONCURRENCY', local ? 1 : 4, CONCURRENCY),
    timeoutMs: env.integer('MANA_LLM_TIMEOUT_MS', 300_000, TIMEOUTS),
    maxTokens: env.integer('MANA_LLM_MAX_TOKENS', 2_048, TOKENS),
    maxTools: env.integer('MANA_LLM_MAX_TOOLS', local ? 16 : 64, TOOLS),
  };
}

/** What is granted to local models only must not leave by a wrong setting: a cloud model is remote whatever the setting says. */
function readLocality(env: EnvReader, url: URL | null, model: string | null): Locality {
  const stated = env.oneOf('MANA_LLM_LOCALITY', ['local', 'remote'], null);
  if (model !== null && isCloudModel(model)) return 'remote';
  return stated ?? (url === null || isLocalHost(url.hostname) ? 'local' : 'remote');
}

function llmBaseUrl({ origin, pathname }: URL): string {
  const path = pathname.replace(/\/+$/, '');
  return `${origin}${path === '' ? '/v1' : path}`;
}

function readTimeZone(env: EnvReader): string {
  const timeZone = env.text('MANA_TIME_ZONE') ?? 'UTC';
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone === ''
      ? 'UTC'
      : timeZone;
  } catch {
    throw new ConfigError('MANA_TIME_ZONE', 'wants an IANA time zone such as Europe/Berlin');
  }
}

/** The grammar of BCP 47 also takes words of five to eight letters for languages; none is registered. */
function readLocale(env: EnvReader): string {
  const text = env.text('MANA_LOCALE') ?? 'en';
  try {
    const locale = new Intl.Locale(text);
    if (locale.language.length <= 3) return locale.toString();
  } catch {
    // Falls through to the same refusal.
  }
  throw new ConfigError('MANA_LOCALE', 'wants a BCP 47 language tag such as en or de-AT');
}

function readKeySets(
  env: EnvReader,
  wellKnown: string,
): Pick<ManaAiConfig, 'userTokens' | 'grantJwksUrl'> {
  const jwksUrl = env.httpUrl('MANA_JWKS_URL')?.href ?? `${wellKnown}/jwks.json`;
  const grantJwksUrl = env.httpUrl('MANA_GRANT_JWKS_URL')?.href ?? `${wellKnown}/grant-jwks.json`;
  // A signer of user tokens must never be able to sign grants.
  if (grantJwksUrl === jwksUrl)
    throw new ConfigError('MANA_GRANT_JWKS_URL', 'wants another key set than MANA_JWKS_URL');
  const issuer = env.line('MANA_JWT_ISSUER') ?? 'mana-auth';
  const audience = env.line('MANA_JWT_AUDIENCE') ?? 'mana';
  return { userTokens: { jwksUrl, issuer, audience }, grantJwksUrl };
}
