import type { AuditQuery } from '../src/audit/queries.ts';
import type {
  InternalMission,
  IterationPage,
  MissionPage,
  OwnerAgent,
  OwnerMission,
  PagedMission,
} from '../src/missions/views.ts';
import type { PostgresHealth, TransactionRunner } from '../src/postgres/pooled-database.ts';
import type { DatabaseRole } from '../src/postgres/port.ts';
import type { AgendaEntry } from './admission/agenda-store.ts';
import type { CallWord, LlmReport, LlmState } from './admission/llm-report.ts';
import type { DependencyState } from './admission/outage-state.ts';
import type { PostgresReport } from './admission/outages.ts';
import type { PassState } from './admission/pass.ts';
import type { PermitAnswer } from './admission/permits.ts';
import type { TurnReport } from './admission/turn-report.ts';
import type { Notice } from './life/notice.ts';
import type { AuditAnswer } from './opening/audit-log.ts';
import type { AgentOutcome, AgentRequest } from './projection/agent-write.ts';
import type { CommandOutcome, MissionCommand } from './projection/device-write.ts';
import type { ObjectFolder } from './life/object-files.ts';
import type { Refreshed } from './projection/refreshed.ts';
import type { MissionEvents } from './projection/watched-changes.ts';

/**
 * A namespace of objects: each name stands for one object. The Workers' index binds the classes.
 */
export type Named<Port> = {
  getByName(name: string): Port;
  idFromName(name: string): { toString(): string };
};

/** What PostgresPool offers. */
export type PoolPort = TransactionRunner & { health(role: DatabaseRole): Promise<PostgresHealth> };

/**
 * What one user's object offers; its name is the user's id. The methods are described at
 * UserMissions.
 */
export type UserPort = {
  refresh(since: string | null): Promise<Refreshed>;
  poke(): Promise<void>;
  listMissions(): Promise<InternalMission[]>;
  listMissionsForOwner(page?: MissionPage): Promise<OwnerMission[]>;
  missionForOwner(missionId: string, page: IterationPage): Promise<PagedMission | null>;
  listAgents(): Promise<OwnerAgent[]>;
  changeAgent(request: AgentRequest): Promise<AgentOutcome>;
  audit(query: AuditQuery): Promise<AuditAnswer>;
  command(request: MissionCommand): Promise<CommandOutcome>;
  noteTimeZone(zone: string): Promise<void>;
  eventsAfter(cursor: string, watchUntilMs: number): Promise<MissionEvents>;
  ping(): Promise<void>;
  tryDisk(): Promise<void>;
  forgetCache(): Promise<void>;
  empty(): Promise<void>;
  isEmpty(): Promise<boolean>;
};

export type Dependencies = { llm: LlmState; postgres: DependencyState };

/** What the Dispatcher offers; the methods are described there. */
export type DispatcherPort = {
  wake(): Promise<void>;
  register(entries: readonly AgendaEntry[]): Promise<void>;
  release(report: TurnReport): Promise<void>;
  forget(userId: string): Promise<void>;
  knows(userId: string): Promise<boolean>;
  acquirePermit(userId: string): Promise<PermitAnswer>;
  releasePermit(userId: string): Promise<void>;
  reportCall(userId: string, report: LlmReport): Promise<CallWord>;
  reportPostgres(report: PostgresReport): Promise<void>;
  modelLocality(): Promise<'local' | 'remote'>;
  dependencies(): Promise<Dependencies>;
  queueState(): Promise<{ queued: number; running: number; lastTickAt: string | null }>;
  notices(): Promise<Notice[]>;
  agendaId(): Promise<string>;
  startPass(passId: string): Promise<PassState>;
  passState(passId: string): Promise<PassState>;
  endPass(passId: string): Promise<void>;
  drain(): Promise<boolean>;
};

/** What the ChangeFeed offers; the methods are described there. */
export type FeedPort = {
  wake(): Promise<void>;
  scan(): Promise<{ ok: true } | { ok: false; code: string }>;
  forget(userId: string): Promise<void>;
  knows(userId: string): Promise<boolean>;
  notices(): Promise<Notice[]>;
  stop(): Promise<void>;
};

export type OpenedStream =
  | { ok: true; body: ReadableStream<Uint8Array> }
  | { ok: false; reason: 'user-limit' | 'limit' | 'draining' };

/** What the EventHub offers; the methods are described there. */
export type HubPort = {
  open(userId: string, lastEventId: string | null): Promise<OpenedStream>;
  notify(userId: string): Promise<void>;
  forget(userId: string): Promise<void>;
  drain(): Promise<void>;
};

/** The texts that PostgresPool and the listening connection are given. */
export type PostgresEnv = { DATABASE_URL: string; POSTGRES_APPLICATION: string };

/**
 * The bindings that the objects of the runner share, as wrangler.toml and workerd.capnp declare
 * them.
 */
export type RunnerEnv = PostgresEnv & {
  /** another way to the same database, for LISTEN alone; empty or null where there is none */
  MANA_LISTEN_URL?: string | null;
  /** the folder of the objects' files; absent on Cloudflare */
  OBJECT_FILES?: ObjectFolder;
  POSTGRES_POOL: Named<PoolPort>;
  USER_MISSIONS: Named<UserPort>;
  DISPATCHER: Named<DispatcherPort>;
  CHANGE_FEED: Named<FeedPort>;
  EVENT_HUB: Named<HubPort>;
};

/** The bindings of mana-auth's objects. */
export type GrantsEnv = PostgresEnv & { POSTGRES_POOL: Named<PoolPort> };

/** These objects are one each; their names are part of the stored data. */
export const POOL_NAME = 'pool';
export const DISPATCHER_NAME = 'dispatcher';
export const CHANGE_FEED_NAME = 'change-feed';
export const EVENT_HUB_NAME = 'event-hub';
