import { isCloudModel, isLocalHost, type Locality } from './locality.ts';
import { type ConfigRefusal, type Environment, parseVariables, type Values } from './parse.ts';

/** The runner's configuration. Null is unset; durations are in milliseconds. */
export type ManaAiConfig = {
  databaseUrl: string | null;
  port: number;
  authPort: number;
  dataDir: string;
  serviceKey: string | null;
  /** made by `serve` at each start, so that draining needs no service key */
  drainToken: string | null;
  /** which workerd this is; null on Cloudflare */
  workerdVersion: string | null;
  tick: { enabled: boolean; intervalMs: number };
  llm: LlmConfig;
  /** where people decide about steps: by this runner, or in the existing app, which carries them out unasked */
  decide: 'here' | 'app';
  timeZone: string;
  locale: string;
  userTokens: { jwksUrl: string; issuer: string; audience: string };
  /** mana-auth's own key set where another issuer signs user tokens: console sessions are of it */
  ownIssuerJwksUrl?: string;
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

export type { ConfigRefusal };
export type ParsedConfig = { ok: true; config: ManaAiConfig } | ConfigRefusal;

type RunnerValues = Values<'mana-ai' | 'commands'>;

/** Parses the environment, or a Worker's bindings. Stops at the first malformed variable. */
export function parseManaAiConfig(environment: Environment): ParsedConfig {
  const parsed = parseVariables(environment, ['mana-ai', 'commands']);
  if (!parsed.ok) return parsed;
  const config = configOf(parsed.values);
  // A signer of user tokens must never be able to sign grants.
  if (config.grantJwksUrl === config.userTokens.jwksUrl) {
    const message = 'wants another key set than MANA_JWKS_URL';
    return { ok: false, variable: 'MANA_GRANT_JWKS_URL', message };
  }
  return { ok: true, config };
}

/** What mana-auth alone needs besides well-formed values. */
export function requireDatabase(config: ManaAiConfig): ParsedConfig {
  if (config.databaseUrl !== null) return { ok: true, config };
  return { ok: false, variable: 'DATABASE_URL', message: 'wants a postgres:// URL' };
}

/** What `npm run serve` needs besides well-formed values. */
export function requireForServe(config: ManaAiConfig): ParsedConfig {
  const database = requireDatabase(config);
  if (!database.ok || config.llm.baseUrl !== null) return database;
  const message = 'wants the base URL of an OpenAI-compatible API';
  return { ok: false, variable: 'MANA_LLM_URL', message };
}

function configOf(values: RunnerValues): ManaAiConfig {
  const wellKnown = `http://127.0.0.1:${values.MANA_AUTH_PORT}/.well-known`;
  return {
    databaseUrl: values.DATABASE_URL,
    port: values.MANA_AI_PORT,
    authPort: values.MANA_AUTH_PORT,
    dataDir: values.MANA_DATA_DIR,
    serviceKey: values.MANA_SERVICE_KEY,
    drainToken: values.MANA_DRAIN_TOKEN,
    workerdVersion: values.MANA_WORKERD_VERSION,
    tick: { enabled: values.MANA_AI_TICK_ENABLED, intervalMs: values.MANA_AI_TICK_INTERVAL_MS },
    llm: llmOf(values),
    decide: values.MANA_DECIDE,
    timeZone: values.MANA_TIME_ZONE,
    locale: values.MANA_LOCALE,
    userTokens: {
      jwksUrl: values.MANA_JWKS_URL?.href ?? `${wellKnown}/jwks.json`,
      issuer: values.MANA_JWT_ISSUER,
      audience: values.MANA_JWT_AUDIENCE,
    },
    ...ownIssuerOf(values, wellKnown),
    grantJwksUrl: values.MANA_GRANT_JWKS_URL?.href ?? `${wellKnown}/grant-jwks.json`,
    runnerKeys: {
      privatePem: values.MANA_AI_PRIVATE_KEY_PEM?.pem ?? null,
      publicPem: values.MANA_AI_PUBLIC_KEY_PEM?.pem ?? null,
    },
    researchUrl: values.MANA_RESEARCH_URL?.href ?? null,
  };
}

/** mana-auth serves its own key set beside that of its grants. */
function ownIssuerOf(
  values: RunnerValues,
  wellKnown: string,
): Pick<ManaAiConfig, 'ownIssuerJwksUrl'> {
  if (values.MANA_JWKS_URL === null) return {};
  const beside = new URL('jwks.json', values.MANA_GRANT_JWKS_URL ?? `${wellKnown}/`).href;
  return beside === values.MANA_JWKS_URL.href ? {} : { ownIssuerJwksUrl: beside };
}

function llmOf(values: RunnerValues): LlmConfig {
  const locality = localityOf(values);
  const isLocal = locality === 'local';
  return {
    baseUrl: values.MANA_LLM_URL === null ? null : llmBaseUrl(values.MANA_LLM_URL),
    model: values.MANA_LLM_MODEL,
    apiKey: values.MANA_LLM_API_KEY,
    locality,
    maxConcurrency: values.MANA_LLM_MAX_CONCURRENCY ?? (isLocal ? 1 : 4),
    timeoutMs: values.MANA_LLM_TIMEOUT_MS,
    maxTokens: values.MANA_LLM_MAX_TOKENS,
    maxTools: values.MANA_LLM_MAX_TOOLS ?? (isLocal ? 16 : 64),
  };
}

/**
 * What is granted to local models alone must not leave by a wrong setting: a cloud model is remote
 * whatever the setting says.
 */
function localityOf(values: RunnerValues): Locality {
  const { MANA_LLM_URL: url, MANA_LLM_MODEL: model, MANA_LLM_LOCALITY: stated } = values;
  if (model !== null && isCloudModel(model)) return 'remote';
  return stated ?? (url === null || isLocalHost(url.hostname) ? 'local' : 'remote');
}

function llmBaseUrl({ origin, pathname }: URL): string {
  const path = pathname.replace(/(?<!\/)\/+$/, '');
  return `${origin}${path === '' ? '/v1' : path}`;
}
