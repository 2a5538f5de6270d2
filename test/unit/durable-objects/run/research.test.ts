import { expect, it } from 'vitest';
import type { OpenGrant } from '../../../../durable-objects/opening/grant-access.ts';
import type {
  ResearchJobs,
  ResearchQuestion,
} from '../../../../durable-objects/run/research-jobs.ts';
import { researchFor } from '../../../../durable-objects/run/research.ts';
import { parseMission } from '../../../../src/missions/mission.ts';
import { emptyState } from '../../../../src/sync/merge.ts';

const OBJECTIVE = 'Research night trains.';

async function ask(objective: string, llm: 'any' | 'local' | null) {
  const asked: ResearchQuestion[] = [];
  const jobs = {
    advance: async (question: ResearchQuestion) => {
      asked.push(question);
      return { kind: 'pending', untilMs: 5 };
    },
  } as unknown as ResearchJobs;
  const mission = parseMission({
    id: 'm',
    title: 'Secret title',
    objective,
    conceptMarkdown: 'Secret concept',
  });
  const grant = llm === null ? null : ({ claims: { llm } } as unknown as OpenGrant);
  const scope = { mission, agent: null, grant, refusal: null };
  const found = await researchFor(jobs, { scope, state: emptyState(), runId: 'r', nowMs: 1 });
  return { found, asked };
}

it('research is asked for by the objective, and by nothing else of the mission', async () => {
  for (const llm of [null, 'any'] as const) {
    const { found, asked } = await ask(OBJECTIVE, llm);
    expect(found).toEqual({ kind: 'pending', untilMs: 5 });
    expect(asked).toHaveLength(1);
    expect(JSON.stringify(asked)).not.toContain('Secret');
  }
  expect(await ask('Plan my week.', null)).toEqual({ found: { kind: 'none' }, asked: [] });
});

it('what must not reach a remote model is not looked up either', async () => {
  const { found, asked } = await ask(OBJECTIVE, 'local');
  expect(found).toMatchObject({
    kind: 'failed',
    note: expect.stringContaining('local models alone') as unknown,
  });
  expect(asked).toEqual([]);
});
