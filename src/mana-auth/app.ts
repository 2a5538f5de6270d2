import { type Context, Hono } from 'hono';
import type { PostgresHealth } from '../postgres/pooled-database.ts';
import type { Logger } from '../telemetry/logs.ts';
import type { ParsedManaAuthConfig } from './config.ts';
import { publicKeySet } from './key-set.ts';

export type ManaAuthDeps = {
  config: ParsedManaAuthConfig;
  /** asks the pool; it may fail or never answer */
  postgresHealth: () => Promise<PostgresHealth>;
  logger: Logger;
  /** longest wait for postgresHealth (1,800): /health promises an answer within 2 s */
  healthTimeoutMs?: number;
};

/** Key sets may be kept that long: a rotated key is published before it signs. */
const KEY_SET_CACHE = 'public, max-age=300';

/** The HTTP surface of the grants Worker. */
export function createApp({ config, postgresHealth, logger, healthTimeoutMs = 1_800 }: ManaAuthDeps): Hono {
  const app = new Hono();
  app.notFound((context) => refuse(context, 404, 'NOT_FOUND', 'there is no such route'));
  app.onError((error, context) => {
    logger.error('a request failed', { code: 'INTERNAL', kind: error.name });
    return refuse(context, 500, 'INTERNAL', 'something went wrong here; the log has the code');
  });
  if (!config.ok) {
    const sentence = `${config.variable} ${config.message}`;
    app.all('*', (context) => refuse(context, 503, 'CONFIG_INVALID', sentence));
    return app;
  }
  const { issuerKeys, grantSigningKeys } = config.config;
  app.get('/health', async (context) => {
    const postgres = await boundedHealth(postgresHealth, healthTimeoutMs);
    return context.json({ status: postgres.ok ? 'ok' : 'degraded', postgres });
  });
  app.get('/.well-known/jwks.json', async (context) => {
    context.header('Cache-Control', KEY_SET_CACHE);
    return context.json(await publicKeySet(issuerKeys, 'EdDSA'));
  });
  app.get('/.well-known/grant-jwks.json', async (context) => {
    context.header('Cache-Control', KEY_SET_CACHE);
    return context.json(await publicKeySet(grantSigningKeys, 'Ed25519'));
  });
  return app;
}

/** A pool that fails or stays silent is an unhealthy Postgres, never a failed /health. */
async function boundedHealth(ask: () => Promise<PostgresHealth>, timeoutMs: number): Promise<PostgresHealth> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<PostgresHealth>((done) => {
    timer = setTimeout(() => done(unhealthy('POSTGRES_TIMEOUT', 'the pool did not answer in time')), timeoutMs);
  });
  try {
    return await Promise.race([ask(), late]);
  } catch {
    return unhealthy('POSTGRES_UNAVAILABLE', 'the pool could not be asked');
  } finally {
    clearTimeout(timer);
  }
}

function unhealthy(code: string, message: string): PostgresHealth {
  return { ok: false, error: { code, message } };
}

function refuse(context: Context, status: 404 | 500 | 503, code: string, error: string): Response {
  return context.json({ error, code }, status);
}
