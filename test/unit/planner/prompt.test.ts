import { expect, it } from 'vitest';
import { formatInput } from '../../../src/inputs/index.ts';
import { readIterations } from '../../../src/missions/iteration.ts';
import { buildPrompt, PROMPT_VERSION } from '../../../src/planner/prompt.ts';

const step = {
  id: 'i1-1',
  summary: "Create task 'Walk'",
  status: 'rejected',
  intent: { kind: 'toolCall', toolName: 'create_task', params: { title: 'Walk' } },
};
const iteration = {
  id: 'i1',
  startedAt: '2027-01-03T09:00:00.000Z',
  overallStatus: 'rejected',
  summary: 'I propose a walk.',
  userFeedback: 'No walks, books!',
  plan: [step],
};

it('the prompt reads as it was reviewed; who changes it raises PROMPT_VERSION and reviews the new file', async () => {
  const goal = formatInput('goals', { id: 'g1', title: 'Read twelve books', target: { value: 12 } });
  const { system, user } = buildPrompt({
    mission: {
      title: 'Keep me reading',
      objective: 'Plan a task that brings my reading goal forward.',
      conceptMarkdown: 'One book a month.',
    },
    inputs: goal.ok ? [goal] : [],
    lastIterations: readIterations([iteration]),
    persona: 'You are short and friendly.',
    locale: 'de',
    nowIso: '2027-01-04T09:00:00.000Z',
    delimiter: '6f1c0f5e-0000-4000-8000-000000000000',
  });
  const text = `${system}\n\n======\n\n${user}\n`;
  await expect(text).toMatchFileSnapshot(`golden/prompt-v${PROMPT_VERSION}.txt`);
});
