import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { requestIdOf } from '../http/request-id.ts';
import type { AppDeps } from './deps.ts';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Counts and times every answer, and logs those that are the server's fault. */
export function httpMetrics({
  metrics,
  logger,
}: Pick<AppDeps, 'metrics' | 'logger'>): MiddlewareHandler {
  return async (c, next) => {
    const startedMs = Date.now();
    await next();
    const durationMs = Date.now() - startedMs;
    const method = METHODS.has(c.req.method) ? c.req.method : 'other';
    const path = routePattern(c);
    const { status } = c.res;
    metrics.httpRequests.inc({ method, path, status: String(status) });
    metrics.httpRequestDurationSeconds.observe(durationMs / 1_000);
    if (status < 500) return;
    const requestId = requestIdOf(c);
    logger.warn('a request was answered with an error', {
      requestId,
      method,
      path,
      status,
      durationMs,
    });
  };
}

/** The pattern of the route that answers: a path as it came holds user ids and is without end. */
function routePattern(c: Context): string {
  const pattern = matchedRoutes(c).at(-1)?.path ?? '';
  return pattern === '' || pattern.endsWith('*') ? 'unmatched' : pattern;
}
