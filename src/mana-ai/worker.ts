import type { Hono } from 'hono';
import { callUser } from '../../durable-objects/life/call-user.ts';
import {
  CHANGE_FEED_NAME,
  DISPATCHER_NAME,
  EVENT_HUB_NAME,
  POOL_NAME,
  type RunnerEnv,
} from '../../durable-objects/bindings.ts';
import { createLogger } from '../telemetry/logs.ts';
import { metrics } from '../telemetry/metrics.ts';
import { createApp, type RunnerHealth, type UserMissionsPort } from './app.ts';
import {
  acceptedByAny,
  createUserTokenVerifier,
  OWN_ISSUER,
  type UserTokenVerifier,
} from '../http/user-token.ts';
import type { ManaAiConfig, ParsedConfig } from '../config/mana-ai.ts';
import { recordsOf } from './records.ts';
import { forgetUser } from './forget.ts';
import { tickOnce } from './tick.ts';

let app: Hono | undefined;
let woken = false;

/** The app over this Worker's bindings, built on the first request and kept. */
export function createWorkerApp(config: ParsedConfig, env: RunnerEnv): Hono {
  app ??= createApp({
    config,
    verifyUserToken: config.ok
      ? userTokenVerifier(config.config)
      : async () => ({ ok: false, code: 'UNAUTHENTICATED' }),
    userMissions: (userId) => missionsOf(env, userId),
    records: (userId) => recordsOf(env, userId),
    openEvents: (userId, lastEventId) =>
      env.EVENT_HUB.getByName(EVENT_HUB_NAME).open(userId, lastEventId),
    tick: () => tickOnce(env),
    health: () => readHealth(config, env),
    forget: (userId) => forgetUser(env, userId),
    drain: () => drain(env),
    metrics,
    logger: createLogger({ component: 'http' }),
  });
  return app;
}

/** Tokens of the console's sessions are mana-auth's own, also where another issuer signs those of the app. */
function userTokenVerifier({ userTokens, ownIssuerJwksUrl }: ManaAiConfig): UserTokenVerifier {
  const verify = createUserTokenVerifier(userTokens);
  if (ownIssuerJwksUrl === undefined) return verify;
  const { issuer, audience } = userTokens;
  const own = { jwksUrl: ownIssuerJwksUrl, issuer: OWN_ISSUER, audience };
  return acceptedByAny([
    { issuer, verify },
    { issuer: OWN_ISSUER, verify: createUserTokenVerifier(own) },
  ]);
}

/** One user's object. */
function missionsOf(env: RunnerEnv, userId: string): UserMissionsPort {
  return {
    listMissions: () => callUser(env, userId, (user) => user.listMissions()),
    listMissionsForOwner: (_userId, page) =>
      callUser(env, userId, (user) => user.listMissionsForOwner(page)),
    missionForOwner: (_userId, missionId, page) =>
      callUser(env, userId, (user) => user.missionForOwner(missionId, page)),
    listAgents: () => callUser(env, userId, (user) => user.listAgents()),
    changeAgent: (_userId, request) => callUser(env, userId, (user) => user.changeAgent(request)),
    audit: (_userId, query) => callUser(env, userId, (user) => user.audit(query)),
    command: (_userId, request) => callUser(env, userId, (user) => user.command(request)),
    noteTimeZone: (_userId, zone) => callUser(env, userId, (user) => user.noteTimeZone(zone)),
  };
}

/** Nothing starts by itself in workerd: this arms the change feed and pokes what a crash cut off. Harmless when repeated. */
export async function wakeRunner(env: RunnerEnv): Promise<void> {
  await env.CHANGE_FEED.getByName(CHANGE_FEED_NAME).wake();
  await env.DISPATCHER.getByName(DISPATCHER_NAME).wake();
}

async function readHealth(config: ParsedConfig, env: RunnerEnv): Promise<RunnerHealth> {
  if (!config.ok) throw new Error('health is not read without a configuration');
  if (!woken) {
    await wakeRunner(env);
    woken = true;
  }
  const dispatcher = env.DISPATCHER.getByName(DISPATCHER_NAME);
  const [postgres, { llm }, queue, ...notices] = await Promise.all([
    env.POSTGRES_POOL.getByName(POOL_NAME).health('mana_ai_runner'),
    dispatcher.dependencies(),
    dispatcher.queueState(),
    dispatcher.notices(),
    env.CHANGE_FEED.getByName(CHANGE_FEED_NAME).notices(),
  ]);
  return {
    postgres,
    llm,
    tick: { enabled: config.config.tick.enabled, ...queue },
    notices: notices.flat(),
  };
}

async function drain(env: RunnerEnv): Promise<{ drained: boolean }> {
  await env.CHANGE_FEED.getByName(CHANGE_FEED_NAME).stop();
  await env.EVENT_HUB.getByName(EVENT_HUB_NAME).drain();
  const deadlineMs = Date.now() + 10_000;
  for (;;) {
    const drained = await env.DISPATCHER.getByName(DISPATCHER_NAME).drain();
    if (drained || Date.now() >= deadlineMs) return { drained };
    await scheduler.wait(50);
  }
}
