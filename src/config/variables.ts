import {
  boolean,
  consoleOrigin,
  databaseUrl,
  ed25519PrivateKeys,
  headerText,
  httpUrl,
  integer,
  keks,
  line,
  locale,
  oneOf,
  outgoingUrl,
  port,
  type TextSchema,
  timeZone,
  x25519PrivateKeys,
  x25519PublicKeys,
} from './schemas.ts';

/**
 * Who reads a variable: a Worker, which is bound to it; the npm commands, which read those of the
 * Workers too; the command line `npx mana-edge`; or compose alone, which fills its file from it.
 */
export type Reader = 'mana-ai' | 'mana-auth' | 'commands' | 'mana-edge' | 'compose';

/** Headings of docs/configure.md, in their order. Variables of 'each start' are never given by hand. */
export const GROUPS = [
  'PostgreSQL',
  'Language model',
  'Missions',
  'Ports and data',
  'Who may call',
  'Keys of grants',
  'Command line',
  'Compose alone',
  'each start',
] as const;

export type Variable = {
  group: (typeof GROUPS)[number];
  /** what the text must be, and what it becomes */
  schema: TextSchema;
  /** the text that stands where it is unset; null where the code gets null */
  default: string | null;
  /** in words, where `default` is null: what happens then */
  unset?: string;
  /** one or more sentences for docs/configure.md and .env.example */
  meaning: string;
  readers: readonly Reader[];
  /** it may be given as a file, by the name with `_FILE` behind it, and is never printed */
  secret: boolean;
  /** the way out of the Workers that read it is bound to it: it says what may be called */
  egress?: true;
};

/**
 * Every variable of the project. A new one is a row here; `npm run variables` then writes it into
 * workerd.capnp, compose.yml, .env.example and docs/configure.md, and the readers find its value in
 * what `parseVariables` answers.
 */
export const VARIABLES = {
  DATABASE_URL: {
    group: 'PostgreSQL',
    schema: databaseUrl,
    default: null,
    unset: 'required by `npm run serve`; `npm start` brings a database of its own',
    meaning:
      'Your PostgreSQL, 15 or newer: `postgres://user:password@host:port/database`. Compose does ' +
      'not read it, see `POSTGRES_HOST`.',
    readers: ['mana-ai', 'mana-auth'],
    secret: true,
    egress: true,
  },
  MANA_LISTEN_URL: {
    group: 'PostgreSQL',
    schema: databaseUrl,
    default: null,
    unset: '`DATABASE_URL`',
    meaning:
      'A direct way to the same database for LISTEN, where `DATABASE_URL` is a pooler in ' +
      'transaction mode.',
    readers: ['mana-ai'],
    secret: true,
    egress: true,
  },
  MANA_CA_FILE: {
    group: 'PostgreSQL',
    schema: line,
    default: null,
    unset: 'the CAs that browsers trust count alone',
    meaning: 'A PEM file of further CAs, for PostgreSQL, the model and the key sets.',
    readers: ['commands'],
    secret: false,
  },
  MANA_POSTGRES_TLS: {
    group: 'each start',
    schema: line,
    default: null,
    unset: 'connections are plain',
    meaning: 'How each address of PostgreSQL is encrypted, as `npm run serve` agreed with it.',
    readers: ['mana-ai', 'mana-auth'],
    secret: false,
    egress: true,
  },
  MANA_LLM_URL: {
    group: 'Language model',
    schema: outgoingUrl,
    default: null,
    unset: 'required by `npm run serve`; a demo planner under `npm start`; compose has an Ollama',
    meaning:
      'The base URL of an OpenAI-compatible API. One without a path gets `/v1`. Plain `http://` ' +
      'only for a local host.',
    readers: ['mana-ai'],
    secret: false,
    egress: true,
  },
  MANA_LLM_MODEL: {
    group: 'Language model',
    schema: line,
    default: null,
    unset: 'none is named',
    meaning: 'The name of the model. Most servers refuse a request without one.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_LLM_API_KEY: {
    group: 'Language model',
    schema: headerText,
    default: null,
    unset: 'none is sent',
    meaning: 'The key of that API.',
    readers: ['mana-ai'],
    secret: true,
  },
  MANA_LLM_LOCALITY: {
    group: 'Language model',
    schema: oneOf('local', 'remote'),
    default: null,
    unset: '`local` where the host of `MANA_LLM_URL` is a local one',
    meaning:
      '`local` or `remote`: whether what was granted to local models alone may be sent there. A ' +
      '`-cloud` model is always remote.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_LLM_MAX_CONCURRENCY: {
    group: 'Language model',
    schema: integer(1, 256),
    default: null,
    unset: '1 for a local model, 4 for a remote one',
    meaning: 'How many missions talk to the model at once, 1 to 256.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_LLM_TIMEOUT_MS: {
    group: 'Language model',
    schema: integer(1, 3_600_000),
    default: '300000',
    meaning: 'The longest time of one call, in milliseconds: a cold model may load for minutes.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_LLM_MAX_TOKENS: {
    group: 'Language model',
    schema: integer(1, 1_000_000),
    default: '2048',
    meaning: 'The longest answer of one call, in tokens.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_LLM_MAX_TOOLS: {
    group: 'Language model',
    schema: integer(1, 256),
    default: null,
    unset: '16 for a local model, 64 for a remote one',
    meaning: 'The most tools that are offered in one call, 1 to 256.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_AI_TICK_ENABLED: {
    group: 'Missions',
    schema: boolean,
    default: 'true',
    meaning: '`false`: nothing runs by itself, only by `POST /internal/tick`.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_AI_TICK_INTERVAL_MS: {
    group: 'Missions',
    schema: integer(100, 86_400_000),
    default: '60000',
    meaning:
      'How often the outbox of changes is polled, in milliseconds, 100 to 86400000. The poll is ' +
      'the safety net of LISTEN.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_TIME_ZONE: {
    group: 'Missions',
    schema: timeZone,
    default: 'UTC',
    meaning: 'The time zone of cadences that name none.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_DECIDE: {
    group: 'Missions',
    schema: oneOf('here', 'app'),
    default: 'app',
    meaning:
      '`here`: steps wait until a person decides by the console, the command line or the API of ' +
      'this runner, and the existing app leaves them alone. `app`: the existing app carries steps ' +
      'out by itself, unasked. `npm start` sets `here`.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_LOCALE: {
    group: 'Missions',
    schema: locale,
    default: 'en',
    meaning: 'The language of answers to missions that show none.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_RESEARCH_URL: {
    group: 'Missions',
    schema: httpUrl,
    default: null,
    unset: 'missions do no research',
    meaning:
      'A research endpoint. A mission whose objective asks for research waits for its result, ' +
      'without holding a place at the model.',
    readers: ['mana-ai'],
    secret: false,
    egress: true,
  },
  MANA_AI_PORT: {
    group: 'Ports and data',
    schema: port,
    default: '3066',
    meaning: 'The port of mana-ai; under compose the one on this machine.',
    readers: ['commands', 'mana-edge'],
    secret: false,
  },
  MANA_AUTH_PORT: {
    group: 'Ports and data',
    schema: port,
    default: '3001',
    meaning: 'The port of mana-auth; under compose the one on this machine.',
    readers: ['commands', 'mana-ai', 'mana-edge'],
    secret: false,
    egress: true,
  },
  MANA_DATA_DIR: {
    group: 'Ports and data',
    schema: line,
    default: './.data',
    meaning:
      'The folder of the Durable Objects and of the embedded database. Compose keeps its data in ' +
      'volumes instead.',
    readers: ['commands', 'mana-edge'],
    secret: false,
  },
  MANA_CONSOLE_PORT: {
    group: 'Ports and data',
    schema: port,
    default: '3080',
    meaning: 'The port of the console.',
    readers: ['mana-auth', 'commands'],
    secret: false,
  },
  MANA_CONSOLE_ORIGIN: {
    group: 'Ports and data',
    schema: consoleOrigin,
    default: null,
    unset: '`http://localhost:` and the port of the console',
    meaning:
      'Where people open the console, as `https://console.example`: sign-in links name it, and ' +
      'passkeys belong to its host name.',
    readers: ['mana-auth', 'commands'],
    secret: false,
  },
  MANA_SERVICE_KEY: {
    group: 'Who may call',
    schema: headerText,
    default: null,
    unset: 'routes of `/internal/` answer 503',
    meaning: 'What a caller of `/internal/` sends as `X-Service-Key`.',
    readers: ['mana-ai', 'mana-auth', 'mana-edge'],
    secret: true,
  },
  MANA_DRAIN_TOKEN: {
    group: 'each start',
    schema: headerText,
    default: null,
    unset: 'the route for draining is closed',
    meaning: 'Made by `npm run serve` at each start, so that draining needs no service key.',
    readers: ['mana-ai'],
    secret: true,
  },
  MANA_WORKERD_VERSION: {
    group: 'each start',
    schema: line,
    default: null,
    unset: 'the platform says nothing of its version',
    meaning: 'Which workerd runs, and with it whose rules of time zones hold.',
    readers: ['mana-ai'],
    secret: false,
  },
  MANA_JWKS_URL: {
    group: 'Who may call',
    schema: httpUrl,
    default: null,
    unset: 'the key set of mana-auth',
    meaning: 'The key set of whoever signs the tokens of your users (EdDSA).',
    readers: ['mana-ai', 'mana-auth'],
    secret: false,
    egress: true,
  },
  MANA_JWT_ISSUER: {
    group: 'Who may call',
    schema: line,
    default: 'mana-auth',
    meaning: 'The `iss` of user tokens.',
    readers: ['mana-ai', 'mana-auth'],
    secret: false,
  },
  MANA_JWT_AUDIENCE: {
    group: 'Who may call',
    schema: line,
    default: 'mana',
    meaning: 'The `aud` of user tokens.',
    readers: ['mana-ai', 'mana-auth'],
    secret: false,
  },
  MANA_AUTH_ISSUER_KEY_PEM: {
    group: 'Who may call',
    schema: ed25519PrivateKeys,
    default: null,
    unset: 'mana-auth signs no user tokens',
    meaning:
      'Ed25519 PKCS#8, several allowed: signs user tokens where no other service does ' +
      '(`npm run keys -- --issuer`, `npm run token`). Public halves stand in ' +
      '`/.well-known/jwks.json` of mana-auth.',
    readers: ['mana-auth'],
    secret: true,
  },
  MANA_GRANT_JWKS_URL: {
    group: 'Keys of grants',
    schema: httpUrl,
    default: null,
    unset: 'the grant key set of mana-auth',
    meaning: 'The key set of whoever signs grants. It must be another one than `MANA_JWKS_URL`.',
    readers: ['mana-ai'],
    secret: false,
    egress: true,
  },
  MANA_AI_PRIVATE_KEY_PEM: {
    group: 'Keys of grants',
    schema: x25519PrivateKeys,
    default: null,
    unset: 'what is granted is skipped, with the reason',
    meaning: 'X25519 PKCS#8, several allowed: the runner opens grants by any of them.',
    readers: ['mana-ai'],
    secret: true,
  },
  MANA_AI_PUBLIC_KEY_PEM: {
    group: 'Keys of grants',
    schema: x25519PublicKeys,
    default: null,
    unset: 'minting answers 503 GRANT_NOT_CONFIGURED',
    meaning: 'X25519 SPKI, several allowed: mana-auth seals grants to the first.',
    readers: ['mana-ai', 'mana-auth'],
    secret: false,
  },
  MANA_GRANT_SIGNING_KEY_PEM: {
    group: 'Keys of grants',
    schema: ed25519PrivateKeys,
    default: null,
    unset: 'minting answers 503 GRANT_NOT_CONFIGURED',
    meaning:
      'Ed25519 PKCS#8, several allowed: the first signs grants, and the public halves of all stand ' +
      'in `/.well-known/grant-jwks.json` of mana-auth. No key of `MANA_AUTH_ISSUER_KEY_PEM`.',
    readers: ['mana-auth'],
    secret: true,
  },
  MANA_AUTH_KEK: {
    group: 'Keys of grants',
    schema: keks,
    default: null,
    unset: 'there is no vault, and minting answers 503 GRANT_NOT_CONFIGURED',
    meaning:
      'Key-encryption keys, base64 of 32 bytes each, comma-separated: the first wraps the master ' +
      'keys in the vault, and all unwrap what they wrapped.',
    readers: ['mana-auth'],
    secret: true,
  },
  MANA_URL: {
    group: 'Command line',
    schema: outgoingUrl,
    default: null,
    unset: 'what `npm start` left in `MANA_DATA_DIR`, else `MANA_AI_PORT` of this machine',
    meaning: 'Where `npx mana-edge` finds mana-ai.',
    readers: ['mana-edge'],
    secret: false,
  },
  MANA_AUTH_URL: {
    group: 'Command line',
    schema: outgoingUrl,
    default: null,
    unset: 'what `npm start` left in `MANA_DATA_DIR`, else `MANA_AUTH_PORT` of this machine',
    meaning: 'Where `npx mana-edge` finds mana-auth.',
    readers: ['mana-edge'],
    secret: false,
  },
  MANA_TOKEN: {
    group: 'Command line',
    schema: headerText,
    default: null,
    unset: 'the token that `npm start` left in `MANA_DATA_DIR`',
    meaning: 'The user token of whoever uses `npx mana-edge`.',
    readers: ['mana-edge'],
    secret: true,
  },
  MANA_MASTER_KEY_FILE: {
    group: 'Command line',
    schema: line,
    default: null,
    unset: 'the vault at mana-auth is asked',
    meaning: 'A file that holds the master key of that person, in base64.',
    readers: ['mana-edge'],
    secret: false,
  },
  POSTGRES_PASSWORD: {
    group: 'Compose alone',
    schema: line,
    default: null,
    unset: 'compose asks for it',
    meaning:
      'The password of its PostgreSQL. It stands in a URL, so letters and digits alone: ' +
      '`openssl rand -hex 24`.',
    readers: ['compose'],
    secret: true,
  },
  POSTGRES_HOST: {
    group: 'Compose alone',
    schema: line,
    default: 'postgres',
    meaning: 'Another PostgreSQL than its own: host or host:port. `localhost` is the container.',
    readers: ['compose'],
    secret: false,
  },
  POSTGRES_USER: {
    group: 'Compose alone',
    schema: line,
    default: 'mana',
    meaning: 'The login there.',
    readers: ['compose'],
    secret: false,
  },
  POSTGRES_DB: {
    group: 'Compose alone',
    schema: line,
    default: 'mana',
    meaning: 'The database there.',
    readers: ['compose'],
    secret: false,
  },
  POSTGRES_PORT: {
    group: 'Compose alone',
    schema: port,
    default: '5432',
    meaning: 'The port of its PostgreSQL on this machine.',
    readers: ['compose'],
    secret: false,
  },
  OLLAMA_PORT: {
    group: 'Compose alone',
    schema: port,
    default: '11434',
    meaning: 'The port of its Ollama on this machine.',
    readers: ['compose'],
    secret: false,
  },
  MANA_LLM_MEMORY: {
    group: 'Compose alone',
    schema: line,
    default: '12g',
    meaning: 'The most memory for its Ollama.',
    readers: ['compose'],
    secret: false,
  },
  PROMETHEUS_PORT: {
    group: 'Compose alone',
    schema: port,
    default: '9090',
    meaning: 'The port of Prometheus on this machine (profile `watch`).',
    readers: ['compose'],
    secret: false,
  },
  GRAFANA_PORT: {
    group: 'Compose alone',
    schema: port,
    default: '3000',
    meaning: 'The port of Grafana on this machine (profile `watch`).',
    readers: ['compose'],
    secret: false,
  },
  GRAFANA_PASSWORD: {
    group: 'Compose alone',
    schema: line,
    default: null,
    unset: 'the one of the image',
    meaning: 'The password of `admin` in Grafana (profile `watch`).',
    readers: ['compose'],
    secret: true,
  },
} as const satisfies Record<string, Variable>;

export type VariableName = keyof typeof VARIABLES;

export const VARIABLE_NAMES = Object.keys(VARIABLES) as VariableName[];

/** A row of the table, its exact types aside. */
export function variable(name: VariableName): Variable {
  return VARIABLES[name];
}

/** The variables that a reader reads, in the order of the table. */
export function namesReadBy(reader: Reader): VariableName[] {
  return VARIABLE_NAMES.filter((name) => variable(name).readers.includes(reader));
}

/** The secrets that may be given as a file, by the name with `_FILE` behind it. */
export const SECRET_NAMES = VARIABLE_NAMES.filter((name) => {
  const { secret, group, readers } = variable(name);
  return secret && group !== 'each start' && readers.some((reader) => reader !== 'compose');
});
