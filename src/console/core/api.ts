import { dropToken, userToken } from './session.ts';
import { Watched } from './store.ts';

/** A refusal. `code` is the server's, or OFFLINE where it cannot be reached. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly requestId: string | null;
  /** milliseconds until it is worth to ask again; null where the server did not say */
  readonly retryAfterMs: number | null;
  readonly body: Readonly<Record<string, unknown>>;

  constructor(status: number, body: Record<string, unknown>, headers: Headers | null) {
    super(typeof body['error'] === 'string' ? body['error'] : '');
    this.status = status;
    this.body = body;
    this.code = typeof body['code'] === 'string' ? body['code'] : `HTTP_${status}`;
    this.requestId = headers?.get('x-request-id') ?? null;
    const seconds = Number(headers?.get('retry-after') ?? Number.NaN);
    this.retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : null;
  }
}

/** Whether the server was reached by the last request; null, or since when not. */
export const offlineSince = new Watched<number | null>(null);

export type Asked = {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  body?: unknown;
  /** the same key again is done once */
  key?: string;
  signal?: AbortSignal;
};

/**
 * One request of the API, with the user's token. A token that is not taken any more is renewed once.
 * @throws ApiError
 */
export async function api<T = unknown>(path: string, asked: Asked = {}): Promise<T> {
  const first = await send(path, asked);
  const response = first.status === 401 ? await sendAgain(path, asked) : first;
  const text = await response.text();
  const answer: unknown = text === '' ? null : parsed(text);
  if (response.ok) return answer as T;
  const body = typeof answer === 'object' && answer !== null ? answer : {};
  throw new ApiError(response.status, body as Record<string, unknown>, response.headers);
}

async function sendAgain(path: string, asked: Asked): Promise<Response> {
  dropToken();
  return send(path, asked);
}

async function send(path: string, asked: Asked): Promise<Response> {
  const { method = 'GET', body, key, signal } = asked;
  try {
    const token = await userToken();
    if (token === null) throw new ApiError(401, { code: 'SIGNED_OUT' }, null);
    const response = await fetch(path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      cache: 'no-store',
      redirect: 'error',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    offlineSince.set(null);
    return response;
  } catch (thrown) {
    if (thrown instanceof ApiError || signal?.aborted === true) throw thrown;
    offlineSince.update((since) => since ?? Date.now());
    throw new ApiError(0, { code: 'OFFLINE' }, null);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
