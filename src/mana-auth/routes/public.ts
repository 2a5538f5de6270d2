import type { Hono } from 'hono';
import { z } from 'zod';
import { answers, type RouteDefinition, serveRoute } from '../../http/route.ts';
import { within } from '../../http/within.ts';
import type { PostgresHealth } from '../../postgres/pooled-database.ts';
import type { RouteDeps } from '../deps.ts';
import { issuerKeySet } from '../key-set.ts';

/** Key sets may be kept that long: a rotated key is published before it signs. */
const KEY_SET_CACHE = 'public, max-age=300';
const LONGEST_PROBE_MS = 1_800;

const keySet = z.object({
  keys: z.array(
    z.object({
      kty: z.literal('OKP'),
      crv: z.literal('Ed25519'),
      x: z.string(),
      kid: z.string(),
      alg: z.string(),
      use: z.literal('sig'),
    }),
  ),
});

const health = z.object({
  status: z.enum(['ok', 'degraded']),
  postgres: z.object({
    ok: z.boolean(),
    since: z.string().optional(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
  }),
});

export const PUBLIC_ROUTES = {
  health: {
    method: 'get',
    path: '/health',
    summary: 'Whether the process serves, and whether PostgreSQL answers it',
    responses: { 200: answers('Always, as long as the process serves', health) },
  },
  userKeys: {
    method: 'get',
    path: '/.well-known/jwks.json',
    summary: 'Public keys of user tokens',
    responses: { 200: answers('A JWK set; empty where another service signs user tokens', keySet) },
  },
  grantKeys: {
    method: 'get',
    path: '/.well-known/grant-jwks.json',
    summary: 'Public keys of grants',
    responses: { 200: answers('A JWK set, the current key first', keySet) },
  },
} as const satisfies Record<string, RouteDefinition>;

/** Routes that are open to all; they show nothing of anyone. */
export function publicRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(app, PUBLIC_ROUTES.health, async (c) => {
    const postgres = await boundedHealth(
      deps.postgresHealth,
      deps.healthTimeoutMs ?? LONGEST_PROBE_MS,
    );
    return c.json({ status: postgres.ok ? 'ok' : 'degraded', postgres });
  });
  serveRoute(app, PUBLIC_ROUTES.userKeys, async (c) => {
    return c.json(await issuerKeySet(deps.config.issuerKeys), 200, {
      'cache-control': KEY_SET_CACHE,
    });
  });
  serveRoute(app, PUBLIC_ROUTES.grantKeys, async (c) => {
    const { signingKeys } = await deps.keys();
    return c.json({ keys: signingKeys.map(({ publicJwk }) => publicJwk) }, 200, {
      'cache-control': KEY_SET_CACHE,
    });
  });
}

/** A pool that fails or stays silent is an unhealthy PostgreSQL, never a failed /health. */
async function boundedHealth(
  ask: () => Promise<PostgresHealth>,
  longestMs: number,
): Promise<PostgresHealth> {
  const asked = await within(longestMs, ask);
  if (asked.ok) return asked.answer;
  return asked.reason === 'late'
    ? unhealthy('POSTGRES_TIMEOUT', 'the pool did not answer in time')
    : unhealthy('POSTGRES_UNAVAILABLE', 'the pool could not be asked');
}

function unhealthy(code: string, message: string): PostgresHealth {
  return { ok: false, error: { code, message } };
}
