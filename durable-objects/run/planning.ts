import type { GrantReason } from '../../src/grants/index.ts';
import { readIterations } from '../../src/missions/iteration.ts';
import type { Hold } from '../../src/missions/standing.ts';
import { UNADAPTED } from '../../src/planner/adaptation.ts';
import {
  FIND_TOOLS,
  findTools,
  findToolsTool,
  foundTools,
  queryOf,
} from '../../src/planner/find-tools.ts';
import {
  complete,
  type CompletionResult,
  type LlmAnswer,
  type LlmError,
} from '../../src/model/llm-client.ts';
import { adviceOf, isUnreadable, llmError } from '../../src/model/llm-error.ts';
import { applyAnswer, endPlan, type PlanState, usageOfRound } from '../../src/planner/plan.ts';
import { type Reminder, remindersFor, withReminders } from '../../src/planner/reminders.ts';
import { rejectedSteps } from '../../src/planner/step-key.ts';
import { estimatePromptTokens } from '../../src/planner/tokens.ts';
import {
  chooseTools,
  countApprovals,
  type ToolChoice,
  toolsOfRound,
} from '../../src/planner/tool-choice.ts';
import { CATALOG } from '../../src/planner/tools/index.ts';
import type { Tool } from '../../src/planner/tools/tool.ts';
import { createLogger } from '../../src/telemetry/logs.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import type { DispatcherPort } from '../bindings.ts';
import type { GrantAccess } from '../opening/grant-access.ts';
import type { MissionStore } from '../projection/mission-store.ts';
import { type CallSize, RunBudget } from './budget.ts';
import { type Checkpoint, saveCheckpoint } from './checkpoint.ts';
import { DEFAULT_AGENT_ID } from './iteration.ts';
import { RunReads } from './reads.ts';
import type { RunRecords } from './records.ts';
import type { RunScope } from './scope.ts';
import type { RunnerSettings } from '../settings.ts';
import type { TokenBudget } from './token-budget.ts';
import { countCall, countOutcomes, decisionOf } from './tool-policy.ts';

/**
 * Why planning ended before the plan was done. The checkpoint stands where it was after the last
 * answer.
 */
export type PlanStop =
  | { kind: 'lapsed'; reason: GrantReason }
  /** what the plan rests on is no longer so: it begins anew */
  | { kind: 'changed' }
  /** and the plan has no step yet that would be worth showing */
  | { kind: 'out-of-tokens'; hold: Hold }
  /** an outage, or the process is about to end; nothing failed */
  | { kind: 'waits'; code: string }
  | { kind: 'failed'; code: string; unreadable: boolean }
  /** the model cannot plan, and another try would not help */
  | { kind: 'hopeless'; code: string };

export type RunPlanningOptions = {
  userId: string;
  store: MissionStore;
  dispatcher: DispatcherPort;
  settings: RunnerSettings;
  grants: GrantAccess;
  budget: TokenBudget;
  records: RunRecords;
  /** where planning begins */
  checkpoint: Checkpoint;
  scope: RunScope;
  /** whether what the plan rests on still stands @throws PostgresError */
  stands: (checkpoint: Checkpoint) => Promise<boolean>;
};

/** `ok`: the plan is done, as its checkpoint has it. */
export type Planned = { ok: true; checkpoint: Checkpoint } | { ok: false; stop: PlanStop };

/** `stop` null: the plan ended with what it has. */
type Asked =
  | { ok: true; answer: LlmAnswer; calls: 'native' | 'text' | null }
  | { ok: false; stop: PlanStop | null };

/**
 * `tools`: sent with the request. `callable`: also those that the model has seen before and may
 * still call.
 */
type Offer = { tools: readonly Tool[]; callable: readonly Tool[] };

type Call = Offer & { size: CallSize; reminders: readonly Reminder[] };

/**
 * The rounds of one run with the model, under a permit. Each answer is stored before anything else
 * happens to it.
 */
export class RunPlanning {
  readonly #options: RunPlanningOptions;
  #checkpoint: Checkpoint;
  readonly #reads: RunReads;
  readonly #choice: ToolChoice;
  readonly #rejected: ReadonlySet<string>;
  readonly #budget: RunBudget;
  readonly #log = createLogger({ component: 'run-planning' });

  constructor(options: RunPlanningOptions) {
    const { scope, records, settings, budget } = options;
    this.#options = options;
    this.#checkpoint = options.checkpoint;
    this.#reads = new RunReads({ scope, records, timeZone: settings.timeZone });
    this.#choice = toolChoice(scope, { maxTools: settings.llm.maxTools, reads: this.#reads });
    this.#rejected = rejectedSteps(readIterations(scope.mission.iterations));
    this.#budget = new RunBudget(budget, scope.agent);
  }

  /**
   * Rounds until the plan is done or something stops it.
   * @throws PostgresError, AuditError: what was asked and paid for by then is stored
   */
  async plan(): Promise<Planned> {
    const { dispatcher, userId } = this.#options;
    for (let plan = this.#checkpoint.plan; plan?.done === false; plan = this.#checkpoint.plan) {
      const stop = await this.#round(plan);
      if (stop !== null) return { ok: false, stop };
    }
    const { plan, finishedMs } = this.#checkpoint;
    // Usually set with the last answer, in one commit with it.
    this.#change({ finishedMs: finishedMs ?? Date.now() });
    await dispatcher.releasePermit(userId);
    metrics.plannerRounds.observe(plan?.round ?? 0);
    metrics.plansProduced.inc();
    return { ok: true, checkpoint: this.#checkpoint };
  }

  async #round(plan: PlanState): Promise<PlanStop | null> {
    const { dispatcher, userId } = this.#options;
    const { answer } = this.#checkpoint;
    const lapse = await this.#lapse();
    if (lapse !== null) return lapse;
    if (!(await this.#options.stands(this.#checkpoint))) return { kind: 'changed' };
    const offer = this.#offer(plan);
    if (answer !== null) {
      await this.#apply(plan, answer, offer);
      return null;
    }
    // Made before this call is reserved, so that the reminder does not count it.
    const reminders = remindersFor(plan, this.#budget.use(Date.now()));
    const size = this.#callSize(plan, offer);
    const hold = this.#budget.begin(size, Date.now());
    if (hold !== null) return this.#outOfTokens(plan, hold);
    const asked = await this.#ask(plan, { ...offer, size, reminders });
    if (!asked.ok) return asked.stop;
    // The call may have taken minutes. If the grant was revoked meanwhile, nothing more is opened.
    const late = await this.#keeping(asked.answer, () => this.#lapse());
    if (late !== null) return late;
    await this.#apply(plan, asked.answer, offer);
    const word = await dispatcher.reportCall(userId, {
      missionId: this.#missionId,
      kind: 'ok',
      tools: asked.calls,
    });
    return word === 'draining' && this.#checkpoint.plan?.done !== true
      ? { kind: 'waits', code: 'DRAINING' }
      : null;
  }

  async #lapse(): Promise<PlanStop | null> {
    const { grants, scope } = this.#options;
    const reason = scope.grant === null ? null : await grants.lapsed(scope.grant);
    return reason === null ? null : { kind: 'lapsed', reason };
  }

  #offer({ readings }: PlanState): Offer {
    const tools = toolsOfRound(this.#choice, foundTools(readings, this.#choice), findToolsTool);
    return { tools, callable: [...new Set([...tools, ...this.#choice.chosen])] };
  }

  #callSize({ messages }: PlanState, { tools }: Offer): CallSize {
    return {
      promptTokens: estimatePromptTokens(messages, tools),
      answerTokens: this.#options.settings.llm.maxTokens,
    };
  }

  /**
   * A plan with steps ends with them. A plan without a step begins anew once tokens are left again.
   */
  #outOfTokens(plan: PlanState, hold: Hold): PlanStop | null {
    metrics.agentDecisions.inc({ decision: hold.reason });
    if (plan.steps.length === 0) return { kind: 'out-of-tokens', hold };
    const note = "The plan ends here because the agent's tokens of these 24 hours are used.";
    this.#change({ plan: endPlan(plan, note) });
    return null;
  }

  async #ask(plan: PlanState, { size, reminders, ...offer }: Call): Promise<Asked> {
    const startedMs = Date.now();
    for (const { producer, severity } of reminders)
      metrics.remindersEmitted.inc({ producer, severity });
    const { baseUrl, apiKey, model, timeoutMs, maxTokens } = this.#options.settings.llm;
    const server = { baseUrl, apiKey, model, timeoutMs, maxTokens };
    const adapted = plan.adaptation === undefined ? {} : { adaptation: plan.adaptation };
    const messages = withReminders(plan.messages, reminders);
    const result = await complete({ ...server, messages, tools: offer.tools, ...adapted });
    metrics.plannerRequestDurationSeconds.observe((Date.now() - startedMs) / 1_000);
    countCall(result);
    await this.#keepAdaptation(plan, result);
    if (!result.ok) return this.#failed(result.error, result, size);
    if (await this.#isToolLess(plan, result.answer))
      return this.#failed(llmError('tool-less'), result, size);
    const tokens = total(usageOfRound(plan, result.answer, offer.callable));
    this.#budget.answered(tokens, Date.now());
    this.#countTokens(tokens);
    return { ok: true, answer: result.answer, calls: callsSeen(result) };
  }

  /** Failed calls count too, because they are paid for. */
  #countTokens(tokens: number): void {
    metrics.tokensUsed.inc({ agent_id: this.#options.scope.agent?.id ?? DEFAULT_AGENT_ID }, tokens);
  }

  /** Stores what was learnt about the model, so that the next attempt does not pay for it again. */
  async #keepAdaptation(plan: PlanState, { adaptation }: CompletionResult): Promise<void> {
    this.#change({ plan: { ...plan, adaptation } });
    if (adaptation !== (plan.adaptation ?? UNADAPTED)) await this.#save();
  }

  /** Puts the answer into the plan. */
  async #apply(plan: PlanState, answer: LlmAnswer, { callable }: Offer): Promise<void> {
    await this.#prepareReads(answer, callable);
    const before = this.#checkpoint.plan ?? plan;
    const help = { rejected: this.#rejected, read: this.#read };
    const after = applyAnswer(before, answer, callable, help);
    const { finishedMs } = this.#checkpoint;
    this.#change({
      plan: after,
      answer: null,
      finishedMs: after.done ? Date.now() : finishedMs,
    });
    await this.#save();
    countOutcomes(after.outcomes ?? [], this.#options.scope.agent);
  }

  /**
   * Opens the records of the calls that will be answered; a call that will be refused opens
   * nothing.
   */
  async #prepareReads(answer: LlmAnswer, callable: readonly Tool[]): Promise<void> {
    const called = answer.toolCalls.map(({ name }) => name);
    await this.#keeping(answer, () =>
      this.#reads.prepare(called.filter((name) => callable.some((tool) => tool.name === name))),
    );
  }

  /**
   * If a read fails that the answer needs before it takes its place, the answer is stored for the
   * next try: it is paid for.
   */
  async #keeping<T>(answer: LlmAnswer, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (thrown) {
      this.#change({ answer });
      await this.#save();
      throw thrown;
    }
  }

  readonly #read = (tool: Tool, params: Record<string, unknown>): unknown =>
    tool.name === FIND_TOOLS
      ? findTools(queryOf(params), this.#choice).reply
      : this.#reads.answer(tool, params);

  async #failed(error: LlmError, { usage }: CompletionResult, size: CallSize): Promise<Asked> {
    const { dispatcher, userId } = this.#options;
    this.#countTokens(this.#budget.failed(error.kind, usage, size));
    metrics.providerErrors.inc({ provider: 'openai', kind: error.kind });
    const { runId } = this.#checkpoint.identity;
    this.#log.warn('an LLM call failed', { runId, code: error.code, kind: error.kind });
    const { code, message, retryAfterMs } = error;
    if (error.outage) {
      const report = {
        missionId: this.#missionId,
        kind: 'outage',
        code,
        message,
        retryAfterMs,
      } as const;
      const word = await dispatcher.reportCall(userId, report);
      if (word !== 'own-failure') return { ok: false, stop: { kind: 'waits', code } };
    }
    const unreadable = isUnreadable(error);
    if (unreadable) metrics.parseFailures.inc();
    if (this.#endsWithWhatItHas(error)) return { ok: false, stop: null };
    return {
      ok: false,
      stop:
        error.kind === 'tool-less'
          ? { kind: 'hopeless', code }
          : { kind: 'failed', code, unreadable },
    };
  }

  /**
   * A plan with steps ends with them at the model's second failure in a row: the steps are paid
   * for, and more tries might lose them.
   */
  #endsWithWhatItHas({ kind, code }: LlmError): boolean {
    const { store, scope } = this.#options;
    const { plan } = this.#checkpoint;
    const isFirst = (store.attempt(scope.mission.id)?.failures ?? 0) === 0;
    if (plan === null || plan.steps.length === 0 || (isFirst && kind !== 'tool-less')) return false;
    const note = `The plan ends here because the language model failed (${code}). ${adviceOf(code) ?? ''}`;
    this.#change({ plan: endPlan(plan, note.trim()) });
    return true;
  }

  /**
   * An answer without a call can mean that there is nothing to do. From a model that is known to
   * call no tools it means nothing.
   */
  async #isToolLess(plan: PlanState, answer: LlmAnswer): Promise<boolean> {
    if (plan.round > 0 || answer.toolCalls.length > 0) return false;
    return (await this.#options.dispatcher.dependencies()).llm.tools === 'none';
  }

  get #missionId(): string {
    return this.#options.scope.mission.id;
  }

  async #save(): Promise<void> {
    const { store, scope, records } = this.#options;
    const { basis } = this.#checkpoint;
    if (basis !== null) this.#change({ basis: { ...basis, records: records.marks } });
    await saveCheckpoint(store, scope.mission.id, this.#checkpoint, scope.grant);
  }

  #change(part: Partial<Checkpoint>): void {
    this.#checkpoint = { ...this.#checkpoint, ...part };
  }
}

function total({ promptTokens, completionTokens }: PlanState['usage']): number {
  return promptTokens + completionTokens;
}

/**
 * The tools that read the mission's own records come first: they are few, and the model proposes
 * better steps once it has read.
 */
function toolChoice(
  { mission, agent }: RunScope,
  { maxTools, reads }: { maxTools: number; reads: RunReads },
): ToolChoice {
  return chooseTools({
    tools: [...reads.tools, ...CATALOG, ...reads.furtherTools],
    decide: (tool) => decisionOf(agent, tool),
    inputModules: mission.inputs.map((ref) => ref.module),
    missionText: `${mission.title}\n${mission.objective}\n${mission.conceptMarkdown}`,
    approvals: countApprovals(readIterations(mission.iterations)),
    maxTools,
  });
}

/** How the model made its calls in this answer; null if it made none. */
function callsSeen(result: CompletionResult & { ok: true }): 'native' | 'text' | null {
  if (result.answer.toolCalls.length === 0) return null;
  return result.textCalls > 0 ? 'text' : 'native';
}
