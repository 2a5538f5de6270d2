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
const older = Array.from({ length: 2 }, (_, n) => ({
  id: `o${n}`,
  userFeedback: `Older word ${n}`,
  plan: [],
}));
const middle = Array.from({ length: 2 }, (_, n) => ({
  id: `m${n}`,
  startedAt: `2027-01-0${n + 1}T09:00:00.000Z`,
  overallStatus: 'approved',
  plan: [{ ...step, status: n === 0 ? 'approved' : 'failed', summary: `Create task 'Page ${n}'` }],
}));
const iteration = {
  id: 'i1',
  startedAt: '2027-01-03T09:00:00.000Z',
  overallStatus: 'rejected',
  summary: 'I propose a walk.',
  userFeedback: 'No walks, books!',
  plan: [step],
};

it('the prompt reads as it was reviewed; who changes it raises PROMPT_VERSION and reviews the new file', async () => {
  const goal = formatInput('goals', {
    id: 'g1',
    title: 'Read twelve books',
    target: { value: 12 },
  });
  const { system, user } = buildPrompt({
    mission: {
      title: 'Keep me reading',
      objective: 'Plan a task that brings my reading goal forward.',
      conceptMarkdown: 'One book a month.',
    },
    inputs: goal.ok ? [goal] : [],
    lastIterations: readIterations([...older, ...middle, iteration]),
    persona: 'You are short and friendly.',
    memory: 'Reads on the train.',
    research: {
      answer: 'Short books are finished more often.',
      citations: [{ title: 'Study', url: 'https://example.org/study', snippet: 'n = 400' }],
    },
    locale: 'de',
    nowIso: '2027-01-04T09:00:00.000Z',
    timeZone: 'Europe/Berlin',
    delimiter: '6f1c0f5e-0000-4000-8000-000000000000',
  });
  const text = `${system}\n\n======\n\n${user}\n`;
  await expect(text).toMatchFileSnapshot(`golden/prompt-v${PROMPT_VERSION}.txt`);
});
