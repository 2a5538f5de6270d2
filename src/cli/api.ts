import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { CliError, EXIT } from './cli-error.ts';
import type { Settings } from './settings.ts';
import { printable } from './terminal.ts';

/** A refusal by the server; `code` is the one of its answer. */
export class ApiError extends CliError {
  override name = 'ApiError';
  readonly code: string;

  constructor(code: string, sentence: string) {
    super(EXIT.refused, `${sentence} [${code}]`);
    this.code = code;
  }
}

export type Request = { method?: string; body?: unknown; headers?: Record<string, string> };

export type Api = {
  /** whose token it is. Throws CliError where the token does not say */
  userId(): string;
  /** a route of mana-ai, with the user token */
  runner(path: string, request?: Request): Promise<unknown>;
  /** a route of mana-auth, likewise */
  auth(path: string, request?: Request): Promise<unknown>;
  /** a route of operators, with the service key; null where there is none */
  operator(path: string): Promise<unknown>;
  /** the same of mana-auth */
  authOperator(path: string, request: Request): Promise<unknown>;
};

const LONGEST_WAIT_MS = 30_000;

/**
 * Calls both Workers. Redirects are not followed: the token is for these two alone. Throws
 * CliError, ApiError.
 */
export function createApi(
  { url, authUrl, token, serviceKey }: Settings,
  send: typeof fetch = fetch,
): Api {
  const bearer = { authorization: `Bearer ${token}` };
  const person = { ...bearer, ...timeZoneHeader() };
  const call = async (
    base: string,
    path: string,
    { method = 'GET', body, headers }: Request,
  ): Promise<unknown> => {
    // A request that got lost may be sent again by hand; one key would not survive the command, so
    // each has its own.
    const idempotency: Record<string, string> =
      method === 'GET' ? {} : { 'idempotency-key': randomUUID() };
    return read(
      base,
      await reach(base, () =>
        send(`${base}${path}`, {
          method,
          headers: { 'content-type': 'application/json', ...idempotency, ...headers },
          redirect: 'error',
          signal: AbortSignal.timeout(LONGEST_WAIT_MS),
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        }),
      ),
    );
  };
  return {
    userId: () => subjectOf(token),
    runner: (path, request = {}) => call(url, path, { ...request, headers: person }),
    auth: (path, request = {}) => call(authUrl, path, { ...request, headers: bearer }),
    operator: async (path) =>
      serviceKey === null ? null : call(url, path, { headers: { 'x-service-key': serviceKey } }),
    authOperator: async (path, request) =>
      serviceKey === null
        ? null
        : call(authUrl, path, { ...request, headers: { 'x-service-key': serviceKey } }),
  };
}

/** Both Workers check the token; here it only says whose ids are derived. */
function subjectOf(token: string): string {
  try {
    const { sub } = decodeJwt(token);
    if (sub !== undefined && sub !== '') return sub;
  } catch {
    // falls through: it is no token either
  }
  throw new CliError(EXIT.usage, 'The user token says nobody; it wants to be a JWT with a `sub`.');
}

/** The zone of this machine, so that 'daily 09:00' is nine o'clock here. Not every system knows its zone. */
function timeZoneHeader(): Record<string, string> {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return timeZone === '' || timeZone === 'Etc/Unknown' ? {} : { 'x-time-zone': timeZone };
}

async function reach(base: string, send: () => Promise<Response>): Promise<Response> {
  try {
    return await send();
  } catch {
    throw new CliError(
      EXIT.unreachable,
      `${base} cannot be reached. Is it running, and is the URL right?`,
    );
  }
}

async function read(base: string, response: Response): Promise<unknown> {
  const text = await response.text();
  if (response.ok) return text === '' ? null : parse(base, text);
  const { error, code } = parse(base, text) as { error?: string; code?: string };
  throw new ApiError(
    printable(code ?? `HTTP ${response.status}`),
    printable(error ?? 'The request was refused.'),
  );
}

function parse(base: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CliError(EXIT.unreachable, `What answers at ${base} is not mana-edge.`);
  }
}
