import { env } from 'cloudflare:workers';
import { reset, runInDurableObject } from 'cloudflare:test';
import { afterEach, describe, expect, it } from 'vitest';
import { ResearchJobs } from '../../durable-objects/run/research-jobs.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import type { WorkerEnv } from '../../src/mana-ai/index.ts';

const bindings = env as unknown as WorkerEnv;
const NOW = Date.UTC(2027, 0, 4);
const HOUR = 3_600_000;
const QUESTION = { missionId: 'm', runId: 'run-1', objectiveKey: 'o1', query: 'q', nowMs: NOW };
const FOUND = { status: 'completed', result: { answer: { answer: 'Found.', citations: [] } } };

/** An endpoint that counts what it is asked and answers as it is told. */
class Endpoint {
  readonly baseUrl = 'http://research.example';
  readonly serviceKey = 'key';
  readonly userId = 'user';
  submits = 0;
  polls = 0;
  job: unknown = { status: 'running' };
  refuses = false;
  readonly fetch = async (_url: string, init: RequestInit): Promise<Response> => {
    if (init.method !== 'POST') {
      this.polls += 1;
      return Response.json(this.job);
    }
    this.submits += 1;
    if (this.refuses) return new Response('', { status: 402 });
    return Response.json({ taskId: `t${this.submits}`, status: 'queued', providerId: 'p' });
  };
}

afterEach(() => reset());

async function completedJobs(): Promise<number> {
  const text = await metrics.registry.metrics();
  return Number(
    /^mana_ai_research_jobs_completed_total\{provider="p"\} (\d+)$/m.exec(text)?.[1] ?? 0,
  );
}

async function withJobs(
  name: string,
  work: (endpoint: Endpoint, jobs: () => ResearchJobs) => Promise<void>,
): Promise<void> {
  await runInDurableObject(
    bindings.USER_MISSIONS.getByName(name),
    async (_instance, { storage }) => {
      const endpoint = new Endpoint();
      await work(endpoint, () => new ResearchJobs(storage.sql, endpoint));
    },
  );
}

describe('the research of a run', () => {
  it('is submitted once, waited for without asking too often, and read again until the run is over', async () => {
    await withJobs('once', async (endpoint, jobs) => {
      const first = await jobs().advance(QUESTION);
      expect(first).toEqual({ kind: 'pending', untilMs: NOW + 5_000 });
      expect(await jobs().advance({ ...QUESTION, nowMs: NOW + 4_999 })).toEqual(first);
      expect(endpoint.polls).toBe(0);
      const later = await jobs().advance({ ...QUESTION, nowMs: NOW + 1_000_000 });
      expect(later).toEqual({ kind: 'pending', untilMs: NOW + 1_060_000 });
      endpoint.job = FOUND;
      const ready = { kind: 'ready', findings: { answer: 'Found.', citations: [] } };
      expect(await jobs().advance({ ...QUESTION, nowMs: NOW + HOUR })).toEqual(ready);
      expect(await jobs().advance({ ...QUESTION, nowMs: NOW + HOUR })).toEqual(ready);
      expect(endpoint.submits).toBe(1);
      jobs().finish('m', 'run-1');
      expect(await jobs().advance({ ...QUESTION, runId: 'run-2' })).toMatchObject({
        kind: 'pending',
      });
      expect(endpoint.submits).toBe(2);
    });
  });

  it.each([{ status: 'failed' }, { status: 'cancelled' }])(
    'that ends as %j fails for good',
    async (job) => {
      await withJobs(`fails-${job.status}`, async (endpoint, jobs) => {
        await jobs().advance(QUESTION);
        endpoint.job = job;
        const later = { ...QUESTION, nowMs: NOW + HOUR };
        expect(await jobs().advance(later)).toEqual({ kind: 'failed' });
        expect(await jobs().advance(later)).toEqual({ kind: 'failed' });
        expect(endpoint).toMatchObject({ submits: 1, polls: 1 });
      });
    },
  );

  it('that is refused, or takes longer than two hours, fails', async () => {
    await withJobs('late', async (endpoint, jobs) => {
      await jobs().advance(QUESTION);
      expect(await jobs().advance({ ...QUESTION, nowMs: NOW + 2 * HOUR })).toEqual({
        kind: 'failed',
      });
      endpoint.refuses = true;
      expect(await jobs().advance({ ...QUESTION, missionId: 'n' })).toEqual({ kind: 'failed' });
      expect(await jobs().advance({ ...QUESTION, missionId: 'n' })).toEqual({ kind: 'failed' });
      expect(endpoint.submits).toBe(2);
    });
  });

  it('that was cut off while it was submitted is not submitted again', async () => {
    await withJobs('cut', async (endpoint, jobs) => {
      const { baseUrl, serviceKey, userId } = endpoint;
      const never = {
        baseUrl,
        serviceKey,
        userId,
        fetch: async () => new Promise<Response>(() => undefined),
      };
      await runInDurableObject(
        bindings.USER_MISSIONS.getByName('cut'),
        (_instance, { storage }) => {
          void new ResearchJobs(storage.sql, never).advance(QUESTION);
        },
      );
      expect(await jobs().advance(QUESTION)).toEqual({ kind: 'failed' });
      expect(endpoint.submits).toBe(0);
      expect(await jobs().advance({ ...QUESTION, runId: 'run-2' })).toMatchObject({
        kind: 'pending',
      });
    });
  });

  it('takes over the open job of an earlier run; findings for another objective are not used', async () => {
    await withJobs('adopts', async (endpoint, jobs) => {
      await jobs().advance(QUESTION);
      const next = { ...QUESTION, runId: 'run-2', nowMs: NOW + HOUR };
      expect(await jobs().advance(next)).toMatchObject({ kind: 'pending' });
      expect(endpoint.submits).toBe(1);
      endpoint.job = FOUND;
      const changed = { ...next, objectiveKey: 'o2', nowMs: NOW + HOUR + 60_000 };
      expect(await jobs().advance(changed)).toMatchObject({ kind: 'pending' });
      expect(endpoint.submits).toBe(2);
    });
  });

  it('is never submitted a second time for one run, not even where the objective has changed meanwhile', async () => {
    await withJobs('changed', async (endpoint, jobs) => {
      await jobs().advance(QUESTION);
      endpoint.job = FOUND;
      const changed = { ...QUESTION, objectiveKey: 'o2', nowMs: NOW + HOUR };
      expect(await jobs().advance(changed)).toEqual({ kind: 'failed' });
      expect(await jobs().advance(changed)).toEqual({ kind: 'failed' });
      expect(endpoint.submits).toBe(1);
    });
  });

  it('is counted as completed once, however often it is read', async () => {
    await withJobs('counted', async (endpoint, jobs) => {
      const before = await completedJobs();
      await jobs().advance(QUESTION);
      endpoint.job = FOUND;
      for (let read = 0; read < 3; read += 1)
        await jobs().advance({ ...QUESTION, nowMs: NOW + HOUR });
      expect(await completedJobs()).toBe(before + 1);
    });
  });
});
