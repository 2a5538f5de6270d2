import type { Hono } from 'hono';
import { GrantSweep } from '../../durable-objects/grant-sweep.ts';
import { PostgresPool, type PostgresPoolEnv } from '../../durable-objects/postgres-pool.ts';
import { type PostgresHealth, pooledDatabase } from '../postgres/pooled-database.ts';
import { createLogger } from '../telemetry/logs.ts';
import { createApp } from './app.ts';
import { parseManaAuthConfig } from '../config/mana-auth.ts';

export { GrantSweep, PostgresPool };

type ManaAuthEnv = PostgresPoolEnv & {
  POSTGRES_POOL: DurableObjectNamespace<PostgresPool>;
  GRANT_SWEEP: DurableObjectNamespace<GrantSweep>;
};

const POOL_NAME = 'pool';
const SWEEP_NAME = 'sweep';

let app: Hono | undefined;
let woken = false;

function buildApp(env: ManaAuthEnv): Hono {
  return createApp({
    config: parseManaAuthConfig(env),
    database: pooledDatabase({
      run: (request) => env.POSTGRES_POOL.getByName(POOL_NAME).run(request),
    }),
    postgresHealth: () => health(env),
    logger: createLogger({ component: 'mana-auth' }),
    nowMs: () => Date.now(),
  });
}

/** Nothing starts by itself in workerd, so the first /health request arms the sweep. */
async function health(env: ManaAuthEnv): Promise<PostgresHealth> {
  if (!woken) {
    await wake(env);
    woken = true;
  }
  return env.POSTGRES_POOL.getByName(POOL_NAME).health('mana_auth_service');
}

async function wake(env: ManaAuthEnv): Promise<void> {
  await env.GRANT_SWEEP.getByName(SWEEP_NAME).wake();
}

export default {
  async fetch(request, env, ctx): Promise<Response> {
    app ??= buildApp(env);
    return app.fetch(request, env, ctx);
  },
  async scheduled(_event, env, ctx): Promise<void> {
    ctx.waitUntil(wake(env));
  },
} satisfies ExportedHandler<ManaAuthEnv>;
