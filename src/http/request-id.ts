import type { Context, MiddlewareHandler } from 'hono';

const VARIABLE = 'requestId';

/**
 * Names each request in its answer (`X-Request-Id`) and in log lines about it. The id is made here,
 * because one that a client sends might say who the client is.
 */
export const requestIds: MiddlewareHandler = async (c, next) => {
  const requestId = crypto.randomUUID();
  c.set(VARIABLE, requestId);
  await next();
  c.header('x-request-id', requestId);
};

/** The id that `requestIds` gave to this request. */
export function requestIdOf(c: Context): string {
  return String(c.get(VARIABLE));
}
