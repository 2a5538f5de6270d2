import type { Hono } from 'hono';
import { PostgresPool, type PostgresPoolEnv } from '../../durable-objects/postgres-pool.ts';
import { createLogger } from '../telemetry/logs.ts';
import { createApp } from './app.ts';
import { parseManaAuthConfig } from './config.ts';

export { PostgresPool };

type ManaAuthEnv = PostgresPoolEnv & { POSTGRES_POOL: DurableObjectNamespace<PostgresPool> };

const POOL_NAME = 'pool';

let app: Hono | undefined;

function buildApp(env: ManaAuthEnv): Hono {
  return createApp({
    config: parseManaAuthConfig(env),
    postgresHealth: () => env.POSTGRES_POOL.getByName(POOL_NAME).health('mana_auth_service'),
    logger: createLogger({ component: 'mana-auth' }),
  });
}

export default {
  async fetch(request, env, ctx): Promise<Response> {
    app ??= buildApp(env);
    return app.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<ManaAuthEnv>;
