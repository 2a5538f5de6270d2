import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../scripts/migrate.ts';
import { dueMission, runnerRows, writeRecord } from './support/device.ts';
import { type LlmStub, startLlmStub } from './support/llm-stub.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { type ResearchStub, startResearchStub } from './support/research-stub.ts';
import { type Runner, SERVICE_KEY, startRunner, waitFor } from './support/runner.ts';

let postgres: TestPostgres;
let llm: LlmStub;
let research: ResearchStub;
let runner: Runner;

beforeAll(async () => {
  postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
  llm = await startLlmStub();
  research = await startResearchStub();
  const environment = { MANA_RESEARCH_URL: research.url };
  runner = await startRunner({ databaseUrl: postgres.databaseUrl, llmUrl: llm.url, environment });
});

beforeEach(() => {
  Object.assign(research, { submitted: [], polls: 0, job: { status: 'running' } });
});

afterAll(async () => {
  await runner?.dispose();
  await research?.close();
  await llm?.close();
  await postgres?.stop();
});

const CONCEPT = 'Nobody but the planner may know this concept.';

async function begin(userId: string): Promise<string> {
  const objective = `Research the best trains for ${userId} and plan a task.`;
  const data = dueMission({ objective, conceptMarkdown: CONCEPT });
  await writeRecord(postgres, { userId, recordId: 'm', data });
  await waitFor(async () => {
    const response = await runner.internal(`/internal/missions/${userId}`);
    const [view] = (await response.json<{ missions: Record<string, unknown>[] }>()).missions;
    return view?.['reason'] === 'research-pending' || undefined;
  }, 'the research to be pending');
  return objective;
}

async function iterationOf(userId: string): Promise<Record<string, unknown> | undefined> {
  const [row] = await waitFor(async () => {
    const rows = await runnerRows(postgres, userId, 'm');
    return rows.length > 0 ? rows : undefined;
  }, 'the iteration');
  return row?.data.iterations?.[0];
}

function promptFor(userId: string): string {
  return (
    llm.requests.map(({ body }) => JSON.stringify(body)).find((text) => text.includes(userId)) ?? ''
  );
}

describe('research before planning', () => {
  it('is submitted once for a run, restarts included, and waited for without a slot; then it is in the prompt', async () => {
    const userId = randomUUID();
    const objective = await begin(userId);
    expect(research.submitted).toHaveLength(1);
    expect(research.submitted[0]?.body).toEqual({
      query: objective,
      provider: 'gemini-deep-research',
    });
    expect(research.submitted[0]?.headers).toMatchObject({
      'x-service-key': SERVICE_KEY,
      'x-user-id': userId,
      'x-app-id': 'mana-ai',
    });
    const other = randomUUID();
    await writeRecord(postgres, { userId: other, recordId: 'm', data: dueMission() });
    await iterationOf(other);
    expect(await runnerRows(postgres, userId, 'm')).toEqual([]);
    await runner.kill();
    await runner.restart();
    const answer = {
      answer: 'Night trains are back.',
      citations: [{ title: 'Rail', url: 'https://rail.example/' }],
    };
    research.job = { status: 'completed', result: { answer } };
    expect(await iterationOf(userId)).toMatchObject({ overallStatus: 'awaiting-review' });
    expect(promptFor(userId)).toContain('Night trains are back.');
    expect(promptFor(userId)).toContain('https://rail.example/');
    expect(research.submitted).toHaveLength(1);
    const metrics = await (await runner.get('/metrics')).text();
    expect(metrics).toMatch(/^mana_ai_research_jobs_completed_total\{provider="deep"\} 1/m);
    expect(JSON.stringify(research.submitted)).not.toContain(CONCEPT);
  });

  it('that fails is left out of the plan, which says so', async () => {
    const userId = randomUUID();
    await begin(userId);
    research.job = { status: 'failed', error: 'no credits' };
    const iteration = await iterationOf(userId);
    expect(iteration).toMatchObject({ overallStatus: 'awaiting-review' });
    expect(iteration?.['summary']).toContain('this plan was made without it');
    expect(promptFor(userId)).toContain('could not be done');
  });

  it('is none of a mission that does not ask for it', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission() });
    await iterationOf(userId);
    expect(research).toMatchObject({ submitted: [], polls: 0 });
  });
});
