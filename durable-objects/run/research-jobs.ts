import type { Findings } from '../../src/planner/research.ts';
import {
  pollResearch,
  RESEARCH_PROVIDER,
  type ResearchEndpoint,
  type ResearchError,
  submitResearch,
} from '../../src/model/research-client.ts';
import { createLogger } from '../../src/telemetry/logs.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import { type StorageSteps, takeSteps } from '../life/storage-steps.ts';

/**
 * What a run asks for. `objectiveKey` names the version of the objective that the query was made
 * from, without its text.
 */
export type ResearchQuestion = {
  missionId: string;
  runId: string;
  objectiveKey: string;
  query: string;
  nowMs: number;
};

/**
 * 'pending': ask again at `untilMs`; no lease or permit is held meanwhile. 'failed': plan without
 * it.
 */
export type ResearchStep =
  { kind: 'ready'; findings: Findings } | { kind: 'failed' } | { kind: 'pending'; untilMs: number };

/**
 * submitting, then open, then completed or failed. A completed job is asked for again until the run
 * that wanted it is over.
 */
type JobState = 'submitting' | 'open' | 'completed' | 'failed';

type Job = {
  missionId: string;
  runId: string;
  objectiveKey: string;
  state: JobState;
  taskId: string;
  provider: string;
  submittedMs: number;
  pollAtMs: number;
};

type JobRow = {
  mission_id: string;
  run_id: string;
  objective_key: string;
  state: JobState;
  task_id: string;
  provider: string;
  submitted_ms: number;
  poll_at_ms: number;
};

const FIRST_POLL_MS = 5_000;
const SLOWEST_POLL_MS = 60_000;
/** A job takes up to an hour; after this time it is given up. */
const GIVEN_UP_MS = 2 * 60 * 60_000;

const TABLES: StorageSteps = {
  store: 'research-jobs',
  steps: [
    `create table if not exists research_jobs (
      mission_id text primary key, run_id text not null, objective_key text not null,
      state text not null, task_id text not null, provider text not null,
      submitted_ms integer not null, poll_at_ms integer not null
    );`,
  ],
};

/**
 * The research jobs of a user's missions, over the object's SQLite. A mission has one open job at
 * most, and a run submits one job at most. Jobs outlive restarts, because only their id is needed;
 * neither query nor findings are stored.
 */
export class ResearchJobs {
  readonly #sql: SqlStorage;
  readonly #endpoint: ResearchEndpoint;
  readonly #log = createLogger({ component: 'research-jobs' });

  constructor(sql: SqlStorage, endpoint: ResearchEndpoint) {
    this.#sql = sql;
    this.#endpoint = endpoint;
    takeSteps(sql, TABLES);
  }

  /**
   * One step of the run's research: submit the job, look at it, or wait. Makes one request of each
   * kind at most.
   */
  async advance(question: ResearchQuestion): Promise<ResearchStep> {
    const job = this.#job(question.missionId);
    if (job === null) return this.#submit(question);
    const isOurs = job.runId === question.runId;
    if (job.state === 'open' || job.state === 'completed') return this.#look(job, question);
    if (!isOurs) return this.#submit(question);
    // The process ended while the job was submitted. Nobody knows whether it runs and costs money,
    // so it is not submitted again.
    if (job.state === 'submitting') this.#fail(job);
    return { kind: 'failed' };
  }

  /** The run is over, and its job is of no more use. */
  finish(missionId: string, runId: string): void {
    this.#sql.exec(
      `delete from research_jobs where mission_id = ? and run_id = ?`,
      missionId,
      runId,
    );
  }

  async #submit({
    missionId,
    runId,
    objectiveKey,
    query,
    nowMs,
  }: ResearchQuestion): Promise<ResearchStep> {
    const job: Job = {
      missionId,
      runId,
      objectiveKey,
      state: 'submitting',
      taskId: '',
      provider: RESEARCH_PROVIDER,
      submittedMs: nowMs,
      pollAtMs: nowMs + FIRST_POLL_MS,
    };
    this.#save(job);
    const submitted = await submitResearch(this.#endpoint, query);
    if (!submitted.ok) {
      this.#warn(submitted.error);
      this.#fail(job);
      return { kind: 'failed' };
    }
    const { taskId, providerId: provider } = submitted;
    this.#save({ ...job, state: 'open', taskId, provider });
    metrics.researchJobsSubmitted.inc({ provider });
    return this.#pending(job.pollAtMs);
  }

  async #look(job: Job, question: ResearchQuestion): Promise<ResearchStep> {
    const { nowMs } = question;
    if (nowMs < job.pollAtMs) return this.#pending(job.pollAtMs);
    const polled = await pollResearch(this.#endpoint, job.taskId);
    if (polled.ok && polled.state === 'completed')
      return this.#complete(job, question, polled.findings);
    if (!polled.ok) this.#warn(polled.error);
    const isOver = polled.ok ? polled.state === 'failed' : !polled.error.passing;
    if (!isOver && nowMs - job.submittedMs < GIVEN_UP_MS) {
      const pollAtMs =
        nowMs + Math.min(SLOWEST_POLL_MS, Math.max(FIRST_POLL_MS, (nowMs - job.submittedMs) / 2));
      this.#save({ ...job, pollAtMs: Math.round(pollAtMs) });
      return this.#pending(Math.round(pollAtMs));
    }
    this.#fail({ ...job, runId: question.runId });
    return { kind: 'failed' };
  }

  /**
   * A job that an earlier run began also serves this run, unless the objective has changed. A run
   * that began a job begins no second one.
   */
  async #complete(job: Job, question: ResearchQuestion, findings: Findings): Promise<ResearchStep> {
    if (job.state !== 'completed') metrics.researchJobsCompleted.inc({ provider: job.provider });
    if (job.objectiveKey !== question.objectiveKey) {
      if (job.runId !== question.runId) return this.#submit(question);
      this.#save({ ...job, state: 'failed' });
      return { kind: 'failed' };
    }
    this.#save({ ...job, runId: question.runId, state: 'completed' });
    return { kind: 'ready', findings };
  }

  #pending(untilMs: number): ResearchStep {
    metrics.researchJobsPendingSkips.inc();
    return { kind: 'pending', untilMs };
  }

  #fail(job: Job): void {
    metrics.researchJobsFailed.inc({ provider: job.provider });
    this.#save({ ...job, state: 'failed' });
  }

  #warn({ code, kind }: ResearchError): void {
    this.#log.warn('the research endpoint did not serve', { code, kind });
  }

  #job(missionId: string): Job | null {
    const [row] = this.#sql
      .exec<JobRow>(`select * from research_jobs where mission_id = ?`, missionId)
      .toArray();
    if (row === undefined) return null;
    return {
      missionId,
      runId: row.run_id,
      objectiveKey: row.objective_key,
      state: row.state,
      taskId: row.task_id,
      provider: row.provider,
      submittedMs: row.submitted_ms,
      pollAtMs: row.poll_at_ms,
    };
  }

  #save(job: Job): void {
    this.#sql.exec(
      `insert or replace into research_jobs
        (mission_id, run_id, objective_key, state, task_id, provider, submitted_ms, poll_at_ms)
        values (?, ?, ?, ?, ?, ?, ?, ?)`,
      job.missionId,
      job.runId,
      job.objectiveKey,
      job.state,
      job.taskId,
      job.provider,
      job.submittedMs,
      job.pollAtMs,
    );
  }
}
