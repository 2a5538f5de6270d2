import { resolvePolicy, type Agent } from '../src/missions/agent.ts';
import { nextDue } from '../src/missions/cadence.ts';
import { readIterations } from '../src/missions/iteration.ts';
import type { Mission } from '../src/missions/mission.ts';
import { foregroundEndMs, missionStatus } from '../src/missions/status.ts';
import { complete, type LlmError } from '../src/planner/llm-client.ts';
import { applyAnswer, startPlan, type PlanState } from '../src/planner/loop.ts';
import { buildPrompt } from '../src/planner/prompt.ts';
import { remindersFor, withReminders } from '../src/planner/reminders.ts';
import { rejectedSteps } from '../src/planner/step-key.ts';
import { chooseTools } from '../src/planner/tool-choice.ts';
import { CATALOG } from '../src/planner/tools/index.ts';
import type { Tool } from '../src/planner/tools/tool.ts';
import type { Database } from '../src/postgres/port.ts';
import { register } from '../src/sync/merge.ts';
import { buildIterationRow, runIdentity } from '../src/sync/write-back.ts';
import { createLogger } from '../src/telemetry/logs.ts';
import { metrics } from '../src/telemetry/metrics.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Hold, MissionStore } from './mission-store.ts';
import type { MissionEntry, Projection } from './projection.ts';
import type { Checkpoint } from './run-checkpoint.ts';
import { RunInputs } from './run-inputs.ts';
import { actorOf, DEFAULT_AGENT_ID, iterationOf } from './run-iteration.ts';
import type { RunnerSettings } from './settings.ts';

/** How a turn at one mission ended. 'waits' is nobody's failure: the mission stays due and comes back by itself. */
export type RunOutcome =
  | { kind: 'written'; plans: number }
  | { kind: 'dropped' }
  | { kind: 'waits'; code: string }
  /** by what the records were at `revision` of the store; nobody's failure, and no reason to come back before the hold ends */
  | { kind: 'held'; hold: Hold; revision: number }
  | { kind: 'failed'; code: string; unreadable: boolean };

type RoundSetting = { tools: readonly Tool[]; agent: Agent | null; rejected: ReadonlySet<string> };

export type MissionRunOptions = {
  userId: string;
  missionId: string;
  projection: Projection;
  store: MissionStore;
  database: Database;
  dispatcher: DurableObjectStub<Dispatcher>;
  settings: RunnerSettings;
  /** serialises work on the log within the object */
  exclusively: <T>(work: () => Promise<T>) => Promise<T>;
};

/**
 * One run of one due mission: prepared -> planning, a checkpoint after each LLM round -> planned -> written.
 * Every state is in the object's storage before the next step begins, so that a crash repeats at most the call in flight.
 */
export class MissionRun {
  readonly #options: MissionRunOptions;
  readonly #log = createLogger({ component: 'mission-run' });

  constructor(options: MissionRunOptions) {
    this.#options = options;
  }

  /** Starts or resumes the run. Throws PostgresError where the log cannot be reached. */
  async continue(mostFailures: number): Promise<RunOutcome> {
    const entry = this.#dueEntry();
    if (entry === null) return this.#drop();
    // What makes it fail may be the reading of its inputs, so they are not read for this.
    if (this.#isExhausted(mostFailures))
      return this.#fail(this.#storedCheckpoint(entry) ?? this.#emptyCheckpoint(entry));
    const checkpoint = this.#storedCheckpoint(entry) ?? (await this.#newCheckpoint(entry));
    if (checkpoint.plan === null || checkpoint.finishedMs !== null) return this.#writeBack(checkpoint);
    const permit = await this.#options.dispatcher.acquirePermit(this.#options.userId);
    if (permit !== 'granted') return { kind: 'waits', code: permit === 'llm-down' ? 'LLM_DOWN' : 'DRAINING' };
    const current = await this.#lookAgain();
    if (current === null) return this.#drop();
    const stopped = await this.#plan(checkpoint, current);
    return stopped ?? this.#writeBack(checkpoint);
  }

  /** The mission as it stands, if it is still due and nothing stands in its way. */
  #dueEntry(): MissionEntry | null {
    const entry = this.#options.projection.mission(this.#options.missionId);
    if (entry === null) return null;
    const nowMs = Date.now();
    const { status, dueAtMs } = missionStatus({ ...entry, nowMs });
    return status === 'scheduled' && dueAtMs !== null && dueAtMs <= nowMs ? entry : null;
  }

  /** Just before the first paid call: the wait for a permit may have been long, and a tab may have begun the same mission. */
  async #lookAgain(): Promise<MissionEntry | null> {
    await this.#options.exclusively(() => this.#options.projection.refreshPending());
    const entry = this.#dueEntry();
    return entry !== null && foregroundEndMs(entry.mission.iterations, Date.now()) === null ? entry : null;
  }

  #storedCheckpoint(entry: MissionEntry): Checkpoint | null {
    const stored = this.#options.store.runOf(entry.mission.id);
    if (stored?.runId !== this.#emptyCheckpoint(entry).identity.runId) return null;
    metrics.checkpointResumes.inc();
    return JSON.parse(stored.body) as Checkpoint;
  }

  async #newCheckpoint(entry: MissionEntry): Promise<Checkpoint> {
    return { ...this.#emptyCheckpoint(entry), plan: startPlan(await this.#prompt(entry.mission, entry.agent)) };
  }

  #emptyCheckpoint({ mission, state }: MissionEntry): Checkpoint {
    const due = register(state, 'nextRunAt');
    if (due === null) throw new Error('a mission without nextRunAt cannot be due');
    const identity = runIdentity({ userId: this.#options.userId, missionId: mission.id, nextRunAt: due });
    return { identity, due, startedMs: Date.now(), finishedMs: null, plan: null, failure: null };
  }

  async #prompt(mission: Mission, agent: Agent | null): Promise<{ system: string; user: string }> {
    return buildPrompt({
      mission,
      inputs: await new RunInputs(this.#options).resolve(mission),
      lastIterations: readIterations(mission.iterations).slice(-3),
      persona: agent?.systemPrompt ?? null,
      locale: this.#options.settings.locale,
      nowIso: new Date().toISOString(),
      delimiter: crypto.randomUUID(),
    });
  }

  /** Rounds until the plan is done; an outcome where the run has to stop before that. */
  async #plan(checkpoint: Checkpoint, { mission, agent }: MissionEntry): Promise<RunOutcome | null> {
    const tools = offeredTools(mission, agent, this.#options.settings.llm.maxTools);
    const setting = { tools, agent, rejected: rejectedSteps(readIterations(mission.iterations)) };
    while (checkpoint.plan !== null && !checkpoint.plan.done) {
      const stopped = await this.#round(checkpoint, checkpoint.plan, setting);
      if (stopped !== null) return stopped;
    }
    checkpoint.finishedMs = Date.now();
    this.#save(checkpoint);
    await this.#options.dispatcher.releasePermit(this.#options.userId);
    metrics.plannerRounds.observe(checkpoint.plan?.round ?? 0);
    metrics.plansProduced.inc();
    return null;
  }

  async #round(checkpoint: Checkpoint, plan: PlanState, setting: RoundSetting): Promise<RunOutcome | null> {
    const { tools, agent, rejected } = setting;
    const { dispatcher, settings, userId } = this.#options;
    const startedMs = Date.now();
    const { baseUrl, apiKey, model, timeoutMs, maxTokens } = settings.llm;
    const reminders = remindersFor(plan, null);
    for (const { producer, severity } of reminders) metrics.remindersEmitted.inc({ producer, severity });
    const messages = withReminders(plan.messages, reminders);
    const result = await complete({ baseUrl, apiKey, model, timeoutMs, maxTokens, messages, tools });
    metrics.plannerRequestDurationSeconds.observe((Date.now() - startedMs) / 1_000);
    if (!result.ok) return this.#stopOn(result.error);
    // The checkpoint comes first: whatever happens after it, this answer is not paid for again.
    checkpoint.plan = applyAnswer(plan, result.answer, tools, { rejected });
    this.#save(checkpoint);
    countRound(plan, checkpoint.plan, agent);
    const answer = await dispatcher.reportCall(userId, { kind: 'ok' });
    return answer === 'draining' && !checkpoint.plan.done ? { kind: 'waits', code: 'DRAINING' } : null;
  }

  async #stopOn(error: LlmError): Promise<RunOutcome> {
    metrics.providerErrors.inc({ provider: 'openai', kind: error.kind });
    this.#log.warn('an LLM call failed', { code: error.code, kind: error.kind });
    if (error.outage) {
      const { code, message, retryAfterMs } = error;
      await this.#options.dispatcher.reportCall(this.#options.userId, { kind: 'outage', code, message, retryAfterMs });
      return { kind: 'waits', code };
    }
    const unreadable = error.kind === 'bad-answer' || error.kind === 'empty-answer';
    if (unreadable) metrics.parseFailures.inc();
    return { kind: 'failed', code: error.code, unreadable };
  }

  #isExhausted(mostFailures: number): boolean {
    return (this.#options.store.attempt(this.#options.missionId)?.failures ?? 0) >= mostFailures;
  }

  /** After too many failures of its own the mission says so in an iteration and moves on to its next time. */
  async #fail(checkpoint: Checkpoint): Promise<RunOutcome> {
    const code = this.#options.store.attempt(this.#options.missionId)?.code ?? 'UNKNOWN';
    checkpoint.failure = { name: 'PlannerError', message: failureSentence(code) };
    checkpoint.plan = null;
    checkpoint.finishedMs = Date.now();
    this.#save(checkpoint);
    return this.#writeBack(checkpoint);
  }

  async #writeBack(checkpoint: Checkpoint): Promise<RunOutcome> {
    const { projection, exclusively, store, missionId } = this.#options;
    const outcome = await exclusively(async (): Promise<RunOutcome> => {
      const present = await projection.refreshPending();
      const entry = present ? projection.mission(missionId) : null;
      const row = entry === null ? null : this.#iterationRow(checkpoint, entry);
      if (row === null) return { kind: 'dropped' };
      if ((await projection.append(row)) === 'present') metrics.duplicateWritesAvoided.inc();
      metrics.plansWrittenBack.inc();
      return { kind: 'written', plans: checkpoint.plan === null ? 0 : 1 };
    });
    store.deleteRunOf(missionId);
    return outcome;
  }

  #iterationRow(checkpoint: Checkpoint, { mission, state, agent }: MissionEntry): ReturnType<typeof buildIterationRow> {
    const { userId, missionId } = this.#options;
    const { identity, due } = checkpoint;
    const nowMs = Date.now();
    return buildIterationRow({
      userId,
      missionId,
      state,
      identity,
      dueRegister: due,
      iteration: iterationOf(checkpoint),
      nextRunAt: this.#nextRunAt(mission, checkpoint.startedMs, nowMs),
      nowMs,
      actor: actorOf(missionId, identity.iterationId, agent),
    });
  }

  /** Computed from now, so that days of absence are one run; an interval counts from the start of this one. */
  #nextRunAt(mission: Mission, startedMs: number, nowMs: number): string | null {
    if (!mission.cadence.ok) return null;
    const { cadence } = mission.cadence;
    const afterMs = cadence.kind === 'interval' ? startedMs : nowMs;
    const next = nextDue(cadence, { afterMs, missionId: mission.id, defaultZone: this.#options.settings.timeZone });
    return next.ok && next.nextMs !== null ? new Date(next.nextMs).toISOString() : null;
  }

  /** What is no longer due is not run; a finished plan is not here, it is written back whatever became of the due time. */
  async #drop(): Promise<RunOutcome> {
    const stored = this.#options.store.runOf(this.#options.missionId);
    const checkpoint = stored === null ? null : (JSON.parse(stored.body) as Checkpoint);
    if (checkpoint !== null && checkpoint.finishedMs !== null) return this.#writeBack(checkpoint);
    this.#options.store.deleteRunOf(this.#options.missionId);
    return { kind: 'dropped' };
  }

  #save(checkpoint: Checkpoint): void {
    const { store, missionId } = this.#options;
    store.saveRun({ runId: checkpoint.identity.runId, missionId, body: JSON.stringify(checkpoint) });
  }
}

function failureSentence(code: string): string {
  const cause = code.startsWith('LLM_') ? 'the language model failed' : 'the mission could not be worked on';
  return `The mission could not be planned: ${cause} several times in a row (${code}).`;
}

function countRound(before: PlanState, after: PlanState, agent: Agent | null): void {
  const tokens = tokensOf(after) - tokensOf(before);
  metrics.tokensUsed.inc({ agent_id: agent?.id ?? DEFAULT_AGENT_ID }, tokens);
  for (const { toolName } of after.steps.slice(before.steps.length)) {
    metrics.toolCalls.inc({ tool: toolName, policy: 'propose', outcome: 'recorded' });
  }
  // What was refused may carry any name that a model makes up, so it is counted without one.
  const refused = after.refusedCalls - before.refusedCalls;
  if (refused > 0) metrics.toolCalls.inc({ tool: 'other', policy: 'propose', outcome: 'refused' }, refused);
}

function tokensOf({ usage }: PlanState): number {
  return usage.promptTokens + usage.completionTokens;
}

function offeredTools(mission: Mission, agent: Agent | null, maxTools: number): readonly Tool[] {
  return chooseTools({
    tools: CATALOG,
    decide: (tool) => (agent === null ? 'propose' : resolvePolicy(agent.policy, tool)),
    inputModules: mission.inputs.map((ref) => ref.module),
    missionText: `${mission.title}\n${mission.objective}\n${mission.conceptMarkdown}`,
    maxTools,
  });
}
