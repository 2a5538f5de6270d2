import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { boundedLabel } from './bounded-label.ts';

/** The part of a counter that the runner uses; labels that people choose are bounded behind it. */
export type LabelledCounter<Label extends string> = {
  inc(labels: Record<Label, string>, by?: number): void;
};

/** All metrics of the process. Names that dashboards and alerts know must not change; they start at zero with the process. */
export type Metrics = ReturnType<typeof createMetrics>;

const CALL_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const HTTP_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];
const DELAY_SECONDS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3_600, 21_600];
const TOKENS = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000];
const ROUNDS = [1, 2, 3, 4, 5, 6, 8, 10];

/** Makes a fresh set in a registry of its own. Nothing is collected by timer, so it may be called at module scope in workerd. */
export function createMetrics() {
  const registry = new Registry();
  return {
    registry,
    ...runCounters(registry),
    ...labelledCounters(registry),
    ...measures(registry),
  };
}

function runCounters(registry: Registry) {
  const counter = (name: string, help: string) =>
    new Counter({ name, help, registers: [registry] });
  return {
    ticks: counter('mana_ai_ticks_total', 'Ticks of users begun'),
    plansProduced: counter('mana_ai_plans_produced_total', 'Plans that the planner finished'),
    plansWrittenBack: counter(
      'mana_ai_plans_written_back_total',
      'Plans written back to the change log',
    ),
    parseFailures: counter(
      'mana_ai_parse_failures_total',
      'Answers of the language model that could not be read',
    ),
    missionErrors: counter('mana_ai_mission_errors_total', 'Attempts at missions that failed'),
    snapshotsNew: counter(
      'mana_ai_snapshots_new_total',
      'Records that appeared in the merged state',
    ),
    snapshotsUpdated: counter(
      'mana_ai_snapshots_updated_total',
      'Records of the merged state that changed',
    ),
    snapshotRowsApplied: counter(
      'mana_ai_snapshot_rows_applied_total',
      'Rows of the change log that were merged',
    ),
    researchJobsPendingSkips: counter(
      'mana_ai_research_jobs_pending_skips_total',
      'Turns that left a mission alone because its research was pending',
    ),
    iterationRepairs: counter(
      'mana_ai_iteration_repairs_total',
      'Missions whose iterations were brought back after a device had overwritten them',
    ),
    checkpointResumes: counter(
      'mana_ai_checkpoint_resumes_total',
      'Runs continued from a checkpoint',
    ),
    objectsRebuilt: counter(
      'mana_ai_objects_rebuilt_total',
      'Objects of users whose damaged storage was removed and rebuilt from the change log',
    ),
    turnsUnreported: counter(
      'mana_ai_turns_unreported_total',
      'Turns that ended without a report: a crash of the object, or a lease that ran out',
    ),
    auditBreaks: counter(
      'mana_ai_audit_breaks_total',
      'Times that an audit in Postgres was found cut, changed or restored',
    ),
    textToolCalls: counter(
      'mana_ai_text_tool_calls_total',
      'Tool calls that a model wrote as text, read as calls',
    ),
    duplicateWritesAvoided: counter(
      'mana_ai_duplicate_writes_avoided_total',
      'Write-backs that were in the change log already',
    ),
  };
}

function labelledCounters(registry: Registry) {
  return {
    decrypts: labelled(registry, 'mana_ai_decrypts_total', 'Records opened under a grant', [
      'table',
    ]),
    grantScopeViolations: labelled(
      registry,
      'mana_ai_grant_scope_violations_total',
      'Records asked for that the grant does not cover',
      ['table'],
    ),
    grantSkips: labelled(
      registry,
      'mana_ai_grant_skips_total',
      'Inputs or missions left out for want of a good grant',
      ['reason'],
    ),
    agentDecisions: labelled(
      registry,
      'mana_ai_agent_decisions_total',
      'Decisions about the agent of a due mission',
      ['decision'],
    ),
    prompts: labelled(registry, 'mana_ai_prompts_total', 'Prompts built, by their version', [
      'version',
    ]),
    tokensUsed: labelled(registry, 'mana_ai_tokens_used_total', 'Tokens used, by agent', [
      'agent_id',
    ]),
    toolCalls: labelled(
      registry,
      'mana_ai_tool_calls_total',
      'Tool calls that the planner proposed',
      ['tool', 'policy', 'outcome'],
    ),
    providerErrors: labelled(
      registry,
      'mana_ai_provider_errors_total',
      'Failed calls of the language model',
      ['provider', 'kind'],
    ),
    llmRetries: labelled(
      registry,
      'mana_ai_llm_retries_total',
      'Calls of the language model that took a second, different request',
      ['reason'],
    ),
    httpRequests: labelled(registry, 'mana_ai_http_requests_total', 'HTTP requests answered', [
      'method',
      'path',
      'status',
    ]),
    remindersEmitted: labelled(
      registry,
      'mana_ai_reminders_emitted_total',
      'Reminders put before the planner',
      ['producer', 'severity'],
    ),
    researchJobsSubmitted: labelled(
      registry,
      'mana_ai_research_jobs_submitted_total',
      'Research jobs begun',
      ['provider'],
    ),
    researchJobsCompleted: labelled(
      registry,
      'mana_ai_research_jobs_completed_total',
      'Research jobs finished',
      ['provider'],
    ),
    researchJobsFailed: labelled(
      registry,
      'mana_ai_research_jobs_failed_total',
      'Research jobs failed',
      ['provider'],
    ),
    skippedRows: labelled(
      registry,
      'mana_ai_skipped_rows_total',
      'Rows of the change log that could not be merged',
      ['reason'],
    ),
    postgresErrors: labelled(
      registry,
      'mana_ai_postgres_errors_total',
      'Transactions that Postgres did not carry out',
      ['code'],
    ),
    occurrences: labelled(
      registry,
      'mana_ai_occurrences_total',
      'Due moments, by what became of them',
      ['fate'],
    ),
  };
}

function measures(registry: Registry) {
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers: [registry] });
  return {
    tickDurationSeconds: histogram(
      'mana_ai_tick_duration_seconds',
      'Duration of one tick of one user',
      CALL_SECONDS,
    ),
    plannerRequestDurationSeconds: histogram(
      'mana_ai_planner_request_duration_seconds',
      'Duration of one call of the language model',
      CALL_SECONDS,
    ),
    plannerRounds: histogram(
      'mana_ai_planner_rounds',
      'Calls of the language model that one plan took',
      ROUNDS,
    ),
    httpRequestDurationSeconds: histogram(
      'mana_ai_http_request_duration_seconds',
      'Duration of HTTP requests',
      HTTP_SECONDS,
    ),
    promptTokens: histogram(
      'mana_ai_prompt_tokens',
      'Prompts as counted before they are sent, in tokens',
      TOKENS,
    ),
    slotWaitSeconds: histogram(
      'mana_ai_slot_wait_seconds',
      'Wait for a permit to call the language model',
      CALL_SECONDS,
    ),
    wakeDelaySeconds: histogram(
      'mana_ai_wake_delay_seconds',
      'From due to admitted',
      DELAY_SECONDS,
    ),
    outages: {
      llm: outageGauge(registry, 'mana_ai_llm_down', 'the language model'),
      postgres: outageGauge(registry, 'mana_ai_postgres_down', 'Postgres'),
    },
    queueLength: new Gauge({
      name: 'mana_ai_queue_length',
      help: 'Users with a due mission who wait for their turn',
      registers: [registry],
    }),
  };
}

function outageGauge(registry: Registry, name: string, what: string) {
  return new Gauge({
    name,
    help: `1 while missions wait because ${what} is down, else 0`,
    registers: [registry],
  });
}

/** Every label is bounded: one that our own code chooses never gets near the limit. */
function labelled<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[],
): LabelledCounter<Label> {
  const counter = new Counter({ name, help, labelNames, registers: [registry] });
  const bounds = labelNames.map((label) => [label, boundedLabel()] as const);
  return {
    inc(labels, by = 1) {
      const bounded: Partial<Record<Label, string>> = {};
      for (const [label, bound] of bounds) bounded[label] = bound(labels[label]);
      counter.inc(bounded, by);
    },
  };
}

/** The process's one set. */
export const metrics: Metrics = createMetrics();
