import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { dueMission, runnerRows, writeRecord } from './support/device.ts';
import {
  type Behaviour,
  type ChatBody,
  finalAnswer,
  isSecondRound,
  plan,
  toolCall,
} from './support/llm-stub.ts';
import { waitFor } from './support/runner.ts';
import { openStage, useStage } from './support/stage.ts';

/** What the real process makes of servers and models that behave as small ones do; row by row in test/unit/planner. */

const { postgres, llm, runner } = useStage();

afterEach(() => llm.behave('plan'));

type Health = { llm: { ok: boolean; locality: string; tools?: string } };

async function health(): Promise<Health> {
  return (await runner.get('/health')).json<Health>();
}

async function metric(name: string): Promise<number> {
  const text = await (await runner.get('/metrics')).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(name));
  return line === undefined ? 0 : Number(line.split(' ').at(-1));
}

/** The iteration that a due mission got, and the requests that it took. */
async function planned(
  behaviour: Behaviour,
  { words = '', ...fields }: { words?: string; [field: string]: unknown } = {},
) {
  const userId = randomUUID();
  const objective = `objective-${userId}`;
  llm.behave(behaviour);
  await writeRecord(postgres, {
    userId,
    recordId: 'm',
    data: dueMission({ ...fields, objective: `${objective} ${words}` }),
  });
  const row = await waitFor(
    async () => (await runnerRows(postgres, userId, 'm'))[0],
    'an iteration',
    60_000,
  );
  const requests = llm.requests
    .map(({ body }) => body)
    .filter((body) => JSON.stringify(body).includes(objective));
  const iteration = row.data.iterations?.[0] as
    | {
        overallStatus: string;
        summary?: string;
        plan: { intent: { toolName: string } }[];
        errorDetails?: { message: string };
      }
    | undefined;
  return { iteration, requests };
}

function message(
  content: string,
  finishReason = 'stop',
  usage: Record<string, number> = {},
): unknown {
  return {
    choices: [
      { message: { role: 'assistant', content, reasoning: 'hm' }, finish_reason: finishReason },
    ],
    usage,
  };
}

function thinks(body: ChatBody): unknown {
  if ('reasoning_effort' in body) return plan(body);
  return message('', 'length', { prompt_tokens: 100, completion_tokens: 2_048 });
}

function talk(): unknown {
  return finalAnswer('You could buy milk!');
}

describe('a model at the start', () => {
  it('is probed once; /health tells what it can do, and a restart does not ask again', async () => {
    await waitFor(
      async () => ((await health()).llm.tools === 'native' ? true : undefined),
      'the probe',
    );
    expect((await health()).llm).toMatchObject({ ok: true, locality: 'local', tools: 'native' });
    await runner.stop();
    await runner.restart();
    await planned('plan');
    expect((await health()).llm.tools).toBe('native');
    expect(llm.probes).toHaveLength(1);
  });
});

describe('a small model', () => {
  it('that writes its calls as text gets a plan, and the calls are counted', async () => {
    const text =
      '<tool_call>{"name":"create_task","arguments":{"title":"Buy milk","dueDate":null}}</tool_call>';
    const before = await metric('mana_ai_text_tool_calls_total');
    const { iteration } = await planned((body) =>
      isSecondRound(body) ? finalAnswer('One task.') : message(text),
    );
    expect(iteration).toMatchObject({ overallStatus: 'awaiting-review', summary: 'One task.' });
    expect(iteration?.plan.map(({ intent }) => intent.toolName)).toEqual(['create_task']);
    expect(await metric('mana_ai_text_tool_calls_total')).toBe(before + 1);
  });

  it('that thinks until its answer is used up is asked once without thinking, and so for the rest of the run', async () => {
    const { iteration, requests } = await planned(thinks);
    expect(iteration).toMatchObject({ overallStatus: 'awaiting-review' });
    expect(requests.map((body) => 'reasoning_effort' in body)).toEqual([false, true, true]);
  });

  it('that fails for good after it has proposed something gets what it proposed, and is asked once more at most', async () => {
    const { iteration, requests } = await planned((body) =>
      isSecondRound(body)
        ? { choices: [{ message: { content: '' }, finish_reason: 'stop_it' }] }
        : plan(body),
    );
    expect(iteration).toMatchObject({ overallStatus: 'awaiting-review' });
    expect(iteration?.summary).toMatch(/LLM_EMPTY_ANSWER.*MANA_LLM_MAX_TOKENS/);
    expect(iteration?.plan.map(({ intent }) => intent.toolName)).toEqual(['create_task']);
    const logged = runner
      .output()
      .split('\n')
      .find((line) => line.includes('"LLM_EMPTY_ANSWER"'));
    expect(JSON.parse(logged ?? '{}')).toMatchObject({
      runId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(requests.filter((body) => !isSecondRound(body))).toHaveLength(1);
    expect(requests.length).toBeLessThanOrEqual(4);
  });

  it('looks for a tool that it was not given, and calls it in the next round', async () => {
    const { iteration, requests } = await planned((body) => {
      const rounds = body.messages.filter(({ role }) => role === 'tool').length;
      if (rounds === 0) return toolCall('find_tools', { query: 'quiz' });
      return rounds === 1 ? toolCall('create_quiz', { title: 'Milk' }) : finalAnswer('A quiz.');
    });
    const offered = requests.map(({ tools }) =>
      (tools as { function: { name: string } }[]).map((tool) => tool.function.name),
    );
    expect(offered[0]).not.toContain('create_quiz');
    expect(offered[1]).toContain('create_quiz');
    expect(offered.map((names) => names.length)).toEqual([16, 16, 16]);
    expect(iteration?.plan.map(({ intent }) => intent.toolName)).toEqual(['create_quiz']);
  });
});

describe('a server', () => {
  it('that cuts the prompt without a word is found out; the next attempt fits', async () => {
    const context = 4_096;
    const seen = (body: ChatBody): number =>
      Math.min(context, Math.ceil(JSON.stringify(body).length / 4));
    const inputs = ['a', 'b', 'c', 'd'].map((id) => ({
      module: 'goals',
      table: 'companionGoals',
      id,
    }));
    const failures = await metric(
      'mana_ai_provider_errors_total{provider="openai",kind="context-truncated"}',
    );
    const { iteration, requests } = await planned(
      (body) => {
        const prompt_tokens = seen(body);
        // Of a prompt that was cut, the model sees the end: it answers something else.
        if (prompt_tokens === context)
          return message('Hello! How can I help you?', 'stop', { prompt_tokens });
        return { ...(plan(body) as object), usage: { prompt_tokens, completion_tokens: 10 } };
      },
      {
        words: 'milk and bread '.repeat(500),
        conceptMarkdown: 'butter and jam '.repeat(500),
        inputs,
      },
    );
    expect(iteration).toMatchObject({ overallStatus: 'awaiting-review' });
    expect(requests.map(seen)[0]).toBe(context);
    expect(requests.map(seen)[1]).toBeLessThan(context);
    expect(
      await metric('mana_ai_provider_errors_total{provider="openai",kind="context-truncated"}'),
    ).toBe(failures + 1);
  });

  it('that refuses tools makes a failed iteration at once, which says what to change', async () => {
    const body = { error: { message: 'tiny does not support tools' } };
    const { iteration, requests } = await planned({ status: 400, body });
    expect(iteration).toMatchObject({ overallStatus: 'failed' });
    expect(iteration?.errorDetails?.message).toMatch(/LLM_TOOL_LESS.*MANA_LLM_MODEL/);
    expect(requests).toHaveLength(1);
  });
});

describe('a bad model', () => {
  it('that never answers the probe keeps nobody from starting, planning or stopping', async () => {
    const other = await openStage({ script: (stub) => stub.answerProbe('hang') });
    try {
      await waitFor(() => other.llm.probes[0], 'the probe');
      await writeRecord(other.postgres, { userId: 'u', recordId: 'm', data: dueMission() });
      await waitFor(async () => (await runnerRows(other.postgres, 'u', 'm'))[0], 'an iteration');
      const startedMs = Date.now();
      expect(await other.runner.stop()).toBe(0);
      expect(Date.now() - startedMs).toBeLessThan(5_000);
    } finally {
      await other.dispose();
    }
  });

  it('that calls no tools is shown, and its talk is no plan: the iteration says what to change', async () => {
    const other = await openStage({
      script: (stub) => {
        stub.answerProbe(talk);
        stub.behave(talk);
      },
    });
    try {
      await waitFor(async () => {
        const { llm: state } = await (await other.runner.get('/health')).json<Health>();
        return state.tools === 'none' || undefined;
      }, 'the verdict');
      await writeRecord(other.postgres, { userId: 'u', recordId: 'm', data: dueMission() });
      const row = await waitFor(
        async () => (await runnerRows(other.postgres, 'u', 'm'))[0],
        'an iteration',
      );
      expect(row.data.iterations?.[0]).toMatchObject({
        overallStatus: 'failed',
        errorDetails: { message: expect.stringMatching(/LLM_TOOL_LESS.*MANA_LLM_MODEL/) },
      });
      expect(other.llm.requests).toHaveLength(1);
    } finally {
      await other.dispose();
    }
  });
});
