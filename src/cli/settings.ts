import { readFileSync } from 'node:fs';
import { parseVariables, type Values } from '../config/parse.ts';
import { outgoingUrl } from '../config/schemas.ts';
import { withSecretsFromFiles } from '../config/secret-files.ts';
import { CliError, EXIT } from './cli-error.ts';

/** Where both Workers are, and the credentials of the person who uses the command. */
export type Settings = {
  url: string;
  authUrl: string;
  token: string;
  serviceKey: string | null;
  keyFile: string | null;
};

/** What may be given with any command. */
export const COMMON_OPTIONS = {
  url: { type: 'string' },
  'auth-url': { type: 'string' },
  'token-file': { type: 'string' },
  'key-file': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export type CommonValues = {
  url?: string | undefined;
  'auth-url'?: string | undefined;
  'token-file'?: string | undefined;
  'key-file'?: string | undefined;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** What `npm start` leaves in its data folder for this command; readable by its owner alone. */
type Session = { url?: string; authUrl?: string; token?: string };

/**
 * Options first, then the environment, then what a running `npm start` left in its data folder. A
 * `.env` of the working directory is not read: with a stranger's, the token would go to a stranger.
 * @throws CliError
 */
export function readSettings(
  options: CommonValues,
  environment: Environment,
  { anonymous }: { anonymous?: true } = {},
): Settings {
  const values = readVariables(environment);
  const session = readSession(values.MANA_DATA_DIR);
  const token = tokenFrom(options, values) ?? session.token ?? (anonymous ? '' : undefined);
  if (token === undefined) {
    throw new CliError(EXIT.usage, 'Whose missions? Set MANA_TOKEN or give --token-file FILE.');
  }
  return {
    url: urlFrom('url', options.url, values.MANA_URL, session.url, values.MANA_AI_PORT),
    authUrl: urlFrom(
      'auth-url',
      options['auth-url'],
      values.MANA_AUTH_URL,
      session.authUrl,
      values.MANA_AUTH_PORT,
    ),
    token,
    serviceKey: values.MANA_SERVICE_KEY,
    keyFile: options['key-file'] ?? values.MANA_MASTER_KEY_FILE,
  };
}

function readVariables(environment: Environment): Values<'mana-edge'> {
  const read = withSecretsFromFiles(environment, (path) => readFileSync(path, 'utf8'));
  const parsed = read.ok ? parseVariables(read.environment, ['mana-edge']) : read;
  if (parsed.ok) return parsed.values;
  throw new CliError(EXIT.usage, `${parsed.variable} ${parsed.message}.`);
}

function tokenFrom(options: CommonValues, values: Values<'mana-edge'>): string | undefined {
  const file = options['token-file'];
  return file === undefined ? (values.MANA_TOKEN ?? undefined) : readText(file).trim();
}

/** A token in the clear could be read on its way, and it opens everything. */
function urlFrom(
  option: 'url' | 'auth-url',
  given: string | undefined,
  variable: URL | null,
  session: string | undefined,
  port: number,
): string {
  const text = given ?? variable?.href ?? session ?? `http://127.0.0.1:${port}`;
  const parsed = outgoingUrl.safeParse(text);
  if (!parsed.success)
    throw new CliError(EXIT.usage, `--${option} ${parsed.error.issues[0]?.message ?? ''}.`);
  const { origin, pathname } = parsed.data;
  return `${origin}${pathname.replace(/(?<!\/)\/+$/, '')}`;
}

function readSession(dataDir: string): Session {
  try {
    return JSON.parse(readFileSync(`${dataDir}/session.json`, 'utf8')) as Session;
  } catch {
    return {};
  }
}

/** Throws CliError. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new CliError(EXIT.usage, `${path} cannot be read.`);
  }
}
