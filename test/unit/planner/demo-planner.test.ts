import { afterAll, beforeAll, expect, it } from 'vitest';
import { startDemoPlanner } from '../../../scripts/embedded/demo-planner.ts';
import { complete } from '../../../src/model/llm-client.ts';
import {
  applyAnswer,
  planSteps,
  planSummary,
  type PlanState,
  startPlan,
} from '../../../src/planner/plan.ts';
import { buildPrompt } from '../../../src/planner/prompt.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';

let planner: Awaited<ReturnType<typeof startDemoPlanner>>;

beforeAll(async () => {
  planner = await startDemoPlanner();
});

afterAll(async () => {
  await planner.close();
});

async function planWith(objective: string, goal: string | null): Promise<PlanState> {
  const prompt = buildPrompt({
    mission: { title: 'Keep me reading', objective, conceptMarkdown: '' },
    inputs: goal === null ? [] : [{ module: 'goals', title: goal, text: `Id: g1\nGoal: ${goal}` }],
    lastIterations: [],
    persona: null,
    locale: 'en',
    nowIso: '2027-01-04T09:00:00.000Z',
    timeZone: 'Europe/Berlin',
    delimiter: '6f1c0f5e-0000-4000-8000-000000000000',
  });
  let state = startPlan(prompt);
  while (!state.done) {
    const { messages } = state;
    const call = {
      baseUrl: planner.url,
      apiKey: null,
      model: 'demo',
      timeoutMs: 5_000,
      maxTokens: 2_048,
    };
    const result = await complete({ ...call, messages, tools: CATALOG });
    if (!result.ok) throw new Error(result.error.message);
    state = applyAnswer(state, result.answer, CATALOG);
  }
  return state;
}

it('plans a task for the goal that the mission looks at, and ends in the second round', async () => {
  const state = await planWith(
    'Look at my reading goal and plan a task for this week.',
    'Read twelve books',
  );
  expect(state.round).toBe(2);
  expect(state.messages.filter(({ role }) => role === 'tool')).toMatchObject([
    { content: expect.stringContaining('"status":"recorded"') },
  ]);
  expect(planSteps(state, 'i').map(({ summary }) => summary)).toEqual([
    "Create task 'Next step: Read twelve books', due Wednesday, 6 January 2027",
  ]);
  expect(planSummary(state)).toContain('demo planner');
});

it('finds something for any objective, by its words, and the same each time', async () => {
  const tools = async (objective: string): Promise<string[]> =>
    (await planWith(objective, null)).steps.map(({ toolName }) => toolName);
  expect(await tools('Propose a note with open questions.')).toEqual(['create_note']);
  expect(await tools('Surprise me.')).toEqual(['create_task']);
  expect(await planWith('Surprise me.', null)).toEqual(await planWith('Surprise me.', null));
});

it('answers /health', async () => {
  const response = await fetch(new URL('/health', planner.url));
  expect(await response.json()).toEqual({ status: 'ok', planner: 'demo' });
});
