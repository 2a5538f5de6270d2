import type { AuditQuery } from '../audit/queries.ts';
import type { AuditPage } from '../audit/row.ts';
import type { OpenedStream } from '../../durable-objects/bindings.ts';
import type { AgentOutcome, AgentRequest } from '../../durable-objects/projection/agent-write.ts';
import type {
  CommandOutcome,
  MissionCommand,
} from '../../durable-objects/projection/device-write.ts';
import type {
  ComponentHealth,
  InternalMission,
  IterationPage,
  MissionPage,
  OwnerAgent,
  OwnerMission,
  PagedMission,
  TickResult,
} from '../missions/views.ts';
import type { Logger } from '../telemetry/logs.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { UserTokenVerifier } from '../http/user-token.ts';
import type { RecordsPort } from './routes/records.ts';
import type { ManaAiConfig, ParsedConfig } from '../config/mana-ai.ts';
import type { Locality } from '../config/locality.ts';

/** What the runner knows of itself and of what it depends on. */
export type RunnerHealth = {
  postgres: ComponentHealth;
  /** `tools`: how the model calls tools, absent as long as that is not known */
  llm: ComponentHealth & { locality: Locality; tools?: 'native' | 'text' | 'none' };
  tick: { enabled: boolean; lastTickAt: string | null; queued: number; running: number };
  /** what an operator should know besides */
  notices: { code: string; message: string; since: string }[];
};

/** One user's missions, wherever they live. */
export type UserMissionsPort = {
  listMissions(userId: string): Promise<InternalMission[]>;
  listMissionsForOwner(userId: string, page?: MissionPage): Promise<OwnerMission[]>;
  /** null: there is no such mission */
  missionForOwner(
    userId: string,
    missionId: string,
    page: IterationPage,
  ): Promise<PagedMission | null>;
  listAgents(userId: string): Promise<OwnerAgent[]>;
  changeAgent(userId: string, request: AgentRequest): Promise<AgentOutcome>;
  /** `ok: false` while Postgres cannot be asked. */
  audit(
    userId: string,
    query: AuditQuery,
  ): Promise<{ ok: true; page: AuditPage } | { ok: false; code: string }>;
  command(userId: string, request: MissionCommand): Promise<CommandOutcome>;
  /** `zone`: an IANA name */
  noteTimeZone(userId: string, zone: string): Promise<void>;
};

/** What the routes need; nothing here knows of HTTP. */
export type AppDeps = {
  config: ParsedConfig;
  verifyUserToken: UserTokenVerifier;
  userMissions(userId: string): UserMissionsPort;
  /** what a person has in the log, of whatever app */
  records(userId: string): RecordsPort;
  /** a stream of server-sent events of one user's missions */
  openEvents(userId: string, lastEventId: string | null): Promise<OpenedStream>;
  tick(): Promise<TickResult>;
  health(): Promise<RunnerHealth>;
  /** removes what the objects hold of a person; `left` names the places where something is left */
  forget(userId: string): Promise<{ left: string[] }>;
  drain(): Promise<{ drained: boolean }>;
  metrics: Pick<Metrics, 'registry' | 'httpRequests' | 'httpRequestDurationSeconds'>;
  logger: Logger;
};

/** The same once the configuration is known to be well-formed. */
export type RouteDeps = Omit<AppDeps, 'config'> & { config: ManaAiConfig };
