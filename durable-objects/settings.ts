import type { ChangeFeed } from './change-feed.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { EventHub } from './event-hub.ts';
import type { PostgresPool, PostgresPoolEnv } from './postgres-pool.ts';
import type { UserMissions } from './user-missions.ts';

/** What the objects need to know of the configuration; src/config/mana-ai.ts makes it from the environment. */
export type RunnerSettings = {
  tickEnabled: boolean;
  tickIntervalMs: number;
  timeZone: string;
  locale: string;
  llm: LlmSettings;
  grants: GrantSettings;
  /** null: no research before planning */
  research: { baseUrl: string; serviceKey: string | null } | null;
};

/** `privateKeysPem` null: no grant can be opened here. `modelIsLocal`: grants for local models alone may be used. */
export type GrantSettings = {
  privateKeysPem: string | null;
  jwksUrl: string;
  modelIsLocal: boolean;
};

export type LlmSettings = {
  baseUrl: string;
  model: string;
  apiKey: string | null;
  maxConcurrency: number;
  timeoutMs: number;
  maxTokens: number;
  maxTools: number;
  /** as the configuration has it; the dispatcher knows better where a local server passes its model on */
  locality: 'local' | 'remote';
};

/** The bindings that the objects of the runner share, as wrangler.toml and workerd.capnp declare them. */
export type RunnerEnv = PostgresPoolEnv & {
  POSTGRES_POOL: DurableObjectNamespace<PostgresPool>;
  USER_MISSIONS: DurableObjectNamespace<UserMissions>;
  DISPATCHER: DurableObjectNamespace<Dispatcher>;
  CHANGE_FEED: DurableObjectNamespace<ChangeFeed>;
  EVENT_HUB: DurableObjectNamespace<EventHub>;
};

/** Coordinators are one object each; their names are part of the stored data. */
export const POOL_NAME = 'pool';
export const DISPATCHER_NAME = 'dispatcher';
export const CHANGE_FEED_NAME = 'change-feed';
export const EVENT_HUB_NAME = 'event-hub';
