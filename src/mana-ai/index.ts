import { ChangeFeed as ChangeFeedObject } from '../../durable-objects/change-feed.ts';
import { Dispatcher as DispatcherObject } from '../../durable-objects/dispatcher.ts';
import { EventHub } from '../../durable-objects/event-hub.ts';
import { PostgresPool } from '../../durable-objects/postgres-pool.ts';
import type { PostgresEnv, RunnerEnv } from '../../durable-objects/bindings.ts';
import type { RunnerSettings } from '../../durable-objects/settings.ts';
import { UserMissions as UserMissionsObject } from '../../durable-objects/user-missions.ts';
import { type ManaAiConfig, parseManaAiConfig, type ParsedConfig } from '../config/mana-ai.ts';
import { createWorkerApp, wakeRunner } from './worker.ts';

export { EventHub, PostgresPool };

/** The bindings of this Worker. The objects know each other by the ports of `RunnerEnv` alone; here the ports get their classes. */
export type WorkerEnv = PostgresEnv & {
  POSTGRES_POOL: DurableObjectNamespace<PostgresPool>;
  USER_MISSIONS: DurableObjectNamespace<UserMissionsObject>;
  DISPATCHER: DurableObjectNamespace<DispatcherObject>;
  CHANGE_FEED: DurableObjectNamespace<ChangeFeedObject>;
  EVENT_HUB: DurableObjectNamespace<EventHub>;
};

/** Parsed once per isolate: the environment of a running Worker does not change. */
let parsed: ParsedConfig | undefined;

function configOf(env: RunnerEnv): ParsedConfig {
  parsed ??= parseManaAiConfig(env);
  return parsed;
}

function settingsOf(env: RunnerEnv): RunnerSettings {
  const result = configOf(env);
  if (!result.ok) throw new Error(`${result.variable} ${result.message}`);
  return runnerSettings(result.config);
}

function runnerSettings(config: ManaAiConfig): RunnerSettings {
  const { tick, llm, timeZone, locale, runnerKeys, grantJwksUrl, researchUrl, serviceKey } = config;
  return {
    tickEnabled: tick.enabled,
    tickIntervalMs: tick.intervalMs,
    timeZone,
    locale,
    openStatus: config.decide === 'here' ? 'staged' : 'planned',
    llm: { ...llm, baseUrl: llm.baseUrl ?? '', model: llm.model ?? '' },
    grants: {
      privateKeysPem: runnerKeys.privatePem,
      jwksUrl: grantJwksUrl,
      modelIsLocal: llm.locality === 'local',
    },
    research: researchUrl === null ? null : { baseUrl: researchUrl, serviceKey },
  };
}

export class UserMissions extends UserMissionsObject {
  constructor(ctx: DurableObjectState, env: RunnerEnv) {
    super(ctx, env, settingsOf(env));
  }
}

export class Dispatcher extends DispatcherObject {
  constructor(ctx: DurableObjectState, env: RunnerEnv) {
    super(ctx, env, settingsOf(env));
  }
}

export class ChangeFeed extends ChangeFeedObject {
  constructor(ctx: DurableObjectState, env: RunnerEnv) {
    super(ctx, env, settingsOf(env));
  }
}

export default {
  async fetch(request, env, ctx): Promise<Response> {
    return createWorkerApp(configOf(env), env).fetch(request, env, ctx);
  },
  async scheduled(_event, env, ctx): Promise<void> {
    if (configOf(env).ok) ctx.waitUntil(wakeRunner(env));
  },
} satisfies ExportedHandler<WorkerEnv>;
