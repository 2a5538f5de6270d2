import { type Context, Hono } from 'hono';
import type { PostgresHealth } from '../postgres/pooled-database.ts';
import type { Logger } from '../telemetry/logs.ts';
import type { ParsedManaAuthConfig } from './config.ts';
import { publicKeySet } from './key-set.ts';

export type ManaAuthDeps = {
  config: ParsedManaAuthConfig;
  /** answers within 2 s */
  postgresHealth: () => Promise<PostgresHealth>;
  logger: Logger;
};

/** Key sets may be kept that long: a rotated key is published before it signs. */
const KEY_SET_CACHE = 'public, max-age=300';

/** The HTTP surface of the grants Worker. */
export function createApp({ config, postgresHealth, logger }: ManaAuthDeps): Hono {
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
    const postgres = await postgresHealth();
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

function refuse(context: Context, status: 404 | 500 | 503, code: string, error: string): Response {
  return context.json({ error, code }, status);
}
