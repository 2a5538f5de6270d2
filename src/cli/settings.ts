import { readFileSync } from 'node:fs';
import { isLocalHost } from '../config/locality.ts';
import { CliError, EXIT } from './cli-error.ts';

/** Where both Workers are and who asks. */
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

/** Options first, then the environment, then what a running `npm start` left in its data folder. Throws CliError. */
export function readSettings(values: CommonValues, environment: Environment): Settings {
  const session = readSession(environment);
  const port = environment['MANA_AI_PORT'] || '3066';
  const authPort = environment['MANA_AUTH_PORT'] || '3001';
  const token = tokenFrom(values, environment) ?? session.token;
  if (token === undefined) {
    throw new CliError(EXIT.usage, 'Whose missions? Set MANA_TOKEN or give --token-file FILE.');
  }
  return {
    url: checked(
      'url',
      values.url ?? environment['MANA_URL'] ?? session.url ?? `http://127.0.0.1:${port}`,
    ),
    authUrl: checked(
      'auth-url',
      values['auth-url'] ??
        environment['MANA_AUTH_URL'] ??
        session.authUrl ??
        `http://127.0.0.1:${authPort}`,
    ),
    token,
    serviceKey: environment['MANA_SERVICE_KEY'] || null,
    keyFile: values['key-file'] ?? environment['MANA_MASTER_KEY_FILE'] ?? null,
  };
}

function tokenFrom(values: CommonValues, environment: Environment): string | undefined {
  const file = values['token-file'];
  return file === undefined ? environment['MANA_TOKEN'] || undefined : readText(file).trim();
}

/** A token in the clear could be read on its way, and it opens everything. */
function checked(option: string, text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CliError(EXIT.usage, `--${option} wants an http:// or https:// URL.`);
  }
  if (url.protocol === 'http:' && !isLocalHost(url.hostname)) {
    throw new CliError(EXIT.usage, `--${option} wants https:// for a host that is not local.`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function readSession(environment: Environment): Session {
  try {
    return JSON.parse(
      readFileSync(`${environment['MANA_DATA_DIR'] || './.data'}/session.json`, 'utf8'),
    ) as Session;
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
