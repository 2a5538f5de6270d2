import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseManaAiConfig } from '../../../src/config/mana-ai.ts';
import { UNADAPTED } from '../../../src/model/adaptation.ts';
import type { ChatMessage } from '../../../src/planner/chat.ts';
import { FIND_TOOLS, findToolsTool } from '../../../src/planner/find-tools.ts';
import { complete, type CompletionRequest } from '../../../src/model/llm-client.ts';
import { startPlan, applyAnswer } from '../../../src/planner/plan.ts';
import { buildPrompt } from '../../../src/planner/prompt.ts';
import { isPassedOn, probeModel } from '../../../src/model/probe.ts';
import { countPrompt } from '../../../src/planner/tokens.ts';
import { chooseTools, toolsOfRound } from '../../../src/planner/tool-choice.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';
import {
  calling,
  completion,
  nativeCall,
  type ScriptedServer,
  startScriptedServer,
} from './scripted-server.ts';

/** The table of what servers of small models really do, row by row, against the real client over real HTTP. */

let server: ScriptedServer;

beforeAll(async () => {
  server = await startScriptedServer();
});

afterAll(() => server.close());

const TOOLS = CATALOG.filter(({ name }) =>
  ['create_task', 'create_note', 'create_habit', 'create_event'].includes(name),
);
const SHORT: ChatMessage[] = [{ role: 'user', content: 'Plan.' }];
const MILK = { title: 'Buy milk' };

function ask(changes: Partial<CompletionRequest> = {}) {
  const { baseUrl } = server;
  const request = {
    baseUrl,
    apiKey: null,
    model: 'tiny',
    timeoutMs: 5_000,
    maxTokens: 2_048,
    messages: SHORT,
  };
  return complete({ ...request, tools: TOOLS, ...changes });
}

function probeServer() {
  return probeModel({ baseUrl: server.baseUrl, apiKey: null, model: 'tiny', timeoutMs: 5_000 });
}

/** A real prompt with inputs of about `tokens` tokens. */
function longPrompt(tokens: number): ChatMessage[] {
  const text = 'milk and bread and butter '.repeat(Math.ceil(tokens / 30));
  const inputs = Array.from({ length: 6 }, (_, index) => ({
    module: 'notes',
    title: `Note ${index}`,
    text,
  }));
  const { system, user } = buildPrompt({
    mission: { title: 'Groceries', objective: 'Plan what to buy.', conceptMarkdown: '' },
    inputs,
    lastIterations: [],
    persona: null,
    locale: 'en',
    nowIso: '2026-11-24T10:00:00.000Z',
    timeZone: 'Europe/Berlin',
    delimiter: 'd0c5',
  });
  return [
    { role: 'system', content: system },
    { role: 'user', content: user },
  ];
}

function tokensSent(): number {
  return JSON.stringify(server.sent.at(-1)?.body).length / 4;
}

describe('row 1: a context of 4,096 tokens', () => {
  it('holds the prompt of a mission with two inputs and the tools that a local server is offered', () => {
    const config = parseManaAiConfig({ MANA_LLM_URL: 'http://127.0.0.1:11434' });
    const maxTools = config.ok ? config.config.llm.maxTools : 0;
    expect(maxTools).toBe(16);
    const approvals = new Map<string, number>();
    const missionText = 'Plan what to buy.';
    const question = {
      tools: CATALOG,
      decide: () => 'propose' as const,
      inputModules: ['notes', 'goals'],
      missionText,
    };
    const choice = chooseTools({ ...question, approvals, maxTools });
    const counted = countPrompt(longPrompt(60), toolsOfRound(choice, [], findToolsTool));
    expect(counted.total).toBeLessThan(4_096 - 1_000);
  });

  it('is counted before anything is sent', async () => {
    server.script(calling('create_task', MILK));
    const messages = longPrompt(600);
    const { promptTokens } = await ask({ messages });
    expect(promptTokens).toBe(countPrompt(messages, TOOLS).total);
    expect(Math.abs(promptTokens - tokensSent())).toBeLessThan(tokensSent() * 0.25);
  });
});

describe('row 2: no num_ctx and no keep_alive on /v1', () => {
  it('neither is sent', async () => {
    server.script(calling('create_task', MILK));
    await ask();
    expect(JSON.stringify(server.sent)).not.toMatch(/num_ctx|keep_alive|options/);
  });
});

describe('row 3: a prompt that is cut without a word', () => {
  it('is no plan but context-truncated, says what to change, and is shorter at the next attempt', async () => {
    const messages = longPrompt(4_500);
    const usage = { prompt_tokens: 4_096, completion_tokens: 20 };
    server.script(completion({ content: 'All is well.' }, 'stop', usage));
    const result = await ask({ messages });
    expect(result).toMatchObject({
      ok: false,
      error: { kind: 'context-truncated', outage: false },
      retried: null,
    });
    expect(result.ok ? '' : result.error.message).toMatch(/num_ctx/);
    expect(result.usage).toEqual({ promptTokens: 4_096, completionTokens: 20 });
    expect(server.sent).toHaveLength(1);
    const before = tokensSent();
    server.script(
      completion({ content: 'Now it fits.' }, 'stop', {
        prompt_tokens: 1_500,
        completion_tokens: 5,
      }),
    );
    const second = await ask({ messages, adaptation: result.adaptation });
    expect(second).toMatchObject({ ok: true });
    expect(tokensSent()).toBeLessThan(before / 2);
  });

  it.each([
    ['a count that is a little lower', 0.8, true],
    ['a count that is a little higher', 1.3, true],
    ['a count that lacks half of the prompt', 0.5, false],
    ['no count at all', 0, true],
  ])('%s is read as it is meant', async (_rule, share, ok) => {
    const messages = longPrompt(3_000);
    const counted = countPrompt(messages, TOOLS).messages;
    server.script(
      completion({ content: 'Done.' }, 'stop', { prompt_tokens: Math.round(counted * share) }),
    );
    expect((await ask({ messages })).ok).toBe(ok);
  });

  it('a prompt that is longer than any small context was cut even where next to nothing is counted', async () => {
    server.script(completion({ content: 'Done.' }, 'stop', { prompt_tokens: 100 }));
    expect((await ask({ messages: longPrompt(4_500) })).ok).toBe(false);
    server.script(completion({ content: 'Done.' }, 'stop', { prompt_tokens: 100 }));
    expect((await ask({ messages: longPrompt(2_400) })).ok).toBe(true);
  });

  it('a short prompt cannot have been cut, however a server counts', async () => {
    server.script(completion({ content: 'Done.' }, 'stop', { prompt_tokens: 1 }));
    expect((await ask({ messages: longPrompt(60) })).ok).toBe(true);
  });
});

describe('row 4: an error instead of cutting', () => {
  const refusal = {
    status: 400,
    body: { error: 'Trying to keep the first 9000 tokens when context overflows: tokens to keep' },
  };

  it('makes one second request, with a shorter prompt and the same rules', async () => {
    const messages = longPrompt(3_000);
    server.script(
      refusal,
      completion({ tool_calls: [nativeCall('create_task', MILK)] }, 'tool_calls', null),
    );
    const result = await ask({ messages, tools: [...CATALOG.slice(0, 30), findToolsTool] });
    expect(result).toMatchObject({ ok: true, retried: 'context-overflow' });
    const [first, second] = server.sent.map(({ body }) => body);
    expect(JSON.stringify(second).length).toBeLessThan(JSON.stringify(first).length / 2);
    expect(second?.messages[0]).toEqual(first?.messages[0]);
    const user = String(second?.messages[1]?.content);
    expect(user).toContain('Plan what to buy.');
    expect(user.match(/^BEGIN /gm)).toHaveLength(user.match(/^END /gm)?.length ?? 0);
    expect(second?.tools?.map((tool) => tool.function.name)).toContain(FIND_TOOLS);
  });

  it('is context-overflow where that was not enough, after two requests', async () => {
    server.script(refusal);
    const result = await ask({ messages: longPrompt(3_000) });
    expect(result).toMatchObject({ ok: false, error: { kind: 'context-overflow', outage: false } });
    expect(server.sent).toHaveLength(2);
  });

  it('never repeats a prompt that cannot be made shorter', async () => {
    server.script(refusal);
    expect(await ask()).toMatchObject({ ok: false, error: { kind: 'context-overflow' } });
    expect(server.sent).toHaveLength(1);
  });
});

describe('rows 5 to 8: what servers ignore, refuse or have other defaults for', () => {
  it('tool_choice, response_format and max_completion_tokens are not sent; max_tokens, temperature and top_p always', async () => {
    server.script(completion({ content: 'Done.' }));
    await ask({ tools: [] });
    await ask();
    for (const { body } of server.sent) {
      expect(body).not.toHaveProperty('tool_choice');
      expect(body).not.toHaveProperty('response_format');
      expect(body).not.toHaveProperty('max_completion_tokens');
      expect(body).not.toHaveProperty('reasoning_effort');
      expect(body).toMatchObject({
        max_tokens: 2_048,
        temperature: expect.any(Number),
        top_p: expect.any(Number),
      });
    }
  });
});

describe('row 9: a history that servers take', () => {
  it('has text as content and an object as arguments, after calls that were read from text too', async () => {
    server.script(
      completion({
        content: '<tool_call>{"name":"create_task","arguments":{"title":"a"}}</tool_call>',
      }),
    );
    const first = await ask();
    if (!first.ok) throw new Error('an answer was expected');
    const state = applyAnswer(startPlan({ system: 's', user: 'u' }), first.answer, TOOLS);
    server.script(completion({ content: 'Done.' }));
    await ask({ messages: state.messages });
    const [, , assistant, tool] = server.sent[0]?.body.messages ?? [];
    expect(assistant).toEqual({
      role: 'assistant',
      content: '',
      tool_calls: [
        {
          id: 'call01001',
          type: 'function',
          function: { name: 'create_task', arguments: '{"title":"a"}' },
        },
      ],
    });
    expect(tool).toMatchObject({ role: 'tool', tool_call_id: 'call01001' });
  });
});

describe('row 10: streams', () => {
  it('are not asked for; calls that share an index, or have none, are told apart', async () => {
    const calls = [0, 0, undefined].map((index, place) => ({
      index,
      ...nativeCall('create_task', { title: `t${place}` }),
    }));
    server.script(completion({ content: '', tool_calls: calls }, 'tool_calls'));
    const result = await ask();
    expect(server.sent[0]?.body['stream']).toBe(false);
    expect(result.ok && result.answer.toolCalls.map((call) => call.arguments)).toEqual(
      ['t0', 't1', 't2'].map((title) => JSON.stringify({ title })),
    );
  });

  it('that come all the same are a bad answer, not a crash', async () => {
    const body =
      ': keepalive\n\ndata: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n';
    server.script({ body, headers: { 'content-type': 'text/event-stream' } });
    expect(await ask()).toMatchObject({ ok: false, error: { kind: 'bad-answer' } });
  });
});

describe('row 11: thoughts', () => {
  it.each([
    [{ content: 'Yes.', reasoning: 'secret' }],
    [{ content: 'Yes.', reasoning_content: 'secret' }],
    [{ content: '<think>secret</think>Yes.' }],
    [{ content: 'secret</think>Yes.' }],
  ])('are in no part of the result: %j', async (message) => {
    server.script(completion(message));
    const result = await ask();
    expect(result).toMatchObject({ ok: true, answer: { content: 'Yes.' } });
    expect(JSON.stringify(result)).not.toContain('secret');
  });

  it('a call inside of thoughts is none', async () => {
    const content =
      '<think><tool_call>{"name":"create_task","arguments":{"title":"a"}}</tool_call></think>No.';
    server.script(completion({ content }));
    expect(await ask()).toMatchObject({ ok: true, answer: { content: 'No.', toolCalls: [] } });
  });
});

describe('row 12: thoughts that use up the answer', () => {
  const thoughts = completion({ content: '', reasoning: 'hm' }, 'length', {
    prompt_tokens: 100,
    completion_tokens: 2_048,
  });

  it('are asked for once more without thinking; both requests are paid for and counted', async () => {
    server.script(thoughts, calling('create_task', MILK));
    const result = await ask();
    expect(result).toMatchObject({
      ok: true,
      retried: 'empty-answer',
      usage: { promptTokens: 112, completionTokens: 2_051 },
      answer: { usage: { promptTokens: 112, completionTokens: 2_051 } },
    });
    expect(server.sent.map(({ body }) => body['reasoning_effort'])).toEqual([undefined, 'none']);
  });

  it('are not paid for twice in later rounds of the run', async () => {
    server.script(thoughts, calling('create_task', MILK));
    const { adaptation } = await ask();
    server.script(completion({ content: 'Done.' }));
    await ask({ adaptation });
    expect(server.sent.map(({ body }) => body['reasoning_effort'])).toEqual(['none']);
  });

  it('are empty-answer where the model goes on thinking, and no round after it tries that again', async () => {
    server.script(thoughts);
    const first = await ask();
    expect(first).toMatchObject({
      ok: false,
      error: { kind: 'empty-answer' },
      adaptation: { thoughts: 'stuck' },
    });
    expect(server.sent).toHaveLength(2);
    server.script(thoughts);
    await ask({ adaptation: first.adaptation });
    expect(server.sent).toHaveLength(1);
  });

  it('are empty-answer where the server refuses the parameter', async () => {
    server.script(thoughts, {
      status: 400,
      body: { error: { message: 'Unsupported value: reasoning_effort' } },
    });
    const result = await ask();
    expect(result).toMatchObject({
      ok: false,
      error: { kind: 'empty-answer' },
      adaptation: { thoughts: 'stuck' },
    });
  });

  it('leave no second request where there is no time for it', async () => {
    server.script(thoughts);
    await ask({ timeoutMs: 900 });
    expect(server.sent).toHaveLength(1);
  });
});

describe('row 13: calls that arrive as text', () => {
  it.each([
    [
      'a tag',
      '<tool_call>\n{"name": "create_task", "arguments": {"title": "Buy milk"}}\n</tool_call>',
    ],
    [
      'a tag that is not closed',
      '<tool_call>{"name": "create_task", "arguments": {"title": "Buy milk"}}',
    ],
    ['bare JSON', '{"name": "create_task", "parameters": {"title": "Buy milk", "dueDate": null}}'],
    ['a fenced block', '```json\n{"name": "create_task", "arguments": {"title": "Buy milk"}}\n```'],
    ['a Python call', '[create_task(title="Buy milk")]'],
    ['a Python dictionary', "{'name': 'create_task', 'arguments': {'title': 'Buy milk'}}"],
    [
      "Mistral's marker",
      '[TOOL_CALLS][{"name": "create_task", "arguments": {"title": "Buy milk"}}]',
    ],
    [
      "Llama's marker",
      '<|python_tag|>{"name": "create_task", "parameters": {"title": "Buy milk"}}',
    ],
    [
      'the shape of the API',
      '{"tool_calls":[{"function":{"name":"create_task","arguments":"{\\"title\\":\\"Buy milk\\"}"}}]}',
    ],
  ])('as %s are read and counted', async (_form, content) => {
    server.script(completion({ content }));
    const result = await ask();
    expect(result).toMatchObject({ ok: true, textCalls: 1, answer: { content: '' } });
    expect(result.ok && result.answer.toolCalls.map(({ name }) => name)).toEqual(['create_task']);
    expect(result.ok && JSON.parse(result.answer.toolCalls[0]?.arguments ?? '')).toMatchObject(
      MILK,
    );
  });

  it.each([
    [
      'a tool that was not offered',
      '<tool_call>{"name": "create_place", "arguments": {"name": "x"}}</tool_call>',
    ],
    ['arguments that do not fit', '{"name": "create_task", "arguments": {"titel": "Buy milk"}}'],
    ['a tag with something else in it', '<tool_call>create a task please</tool_call>'],
  ])('but %s is none: the answer is tool-less', async (_form, content) => {
    server.script(completion({ content }));
    const result = await ask();
    expect(result).toMatchObject({ ok: false, error: { kind: 'tool-less', outage: false } });
    expect(server.sent).toHaveLength(1);
  });

  it('are not looked for beside calls as the API has them', async () => {
    const content = '{"name": "create_note", "arguments": {"content": "x"}}';
    server.script(
      completion({ content, tool_calls: [nativeCall('create_task', MILK)] }, 'tool_calls'),
    );
    expect(await ask()).toMatchObject({
      ok: true,
      textCalls: 0,
      answer: { toolCalls: [{ name: 'create_task' }] },
    });
  });
});

describe('row 14: calls that the server lost', () => {
  it('are a bad answer, not an end', async () => {
    server.script(completion({ content: 'Let me do that.', tool_calls: [] }, 'tool_calls'));
    const result = await ask();
    expect(result).toMatchObject({ ok: false, error: { kind: 'bad-answer' } });
    expect(result.ok ? '' : result.error.message).toContain('announced tool calls');
  });
});

describe('row 15: names that servers rewrite', () => {
  it('do not occur', () => {
    for (const { name } of [...CATALOG, findToolsTool]) expect(name).toMatch(/^[a-z0-9_]{1,64}$/);
  });
});

describe('row 16: errors of every shape', () => {
  it.each([
    [404, { error: 'generation could not start' }, 'not-found', /MANA_LLM_URL.*MANA_LLM_MODEL/],
    [404, { error: { message: 'model not found' } }, 'not-found', /MANA_LLM_URL.*MANA_LLM_MODEL/],
    [400, { error: 'no' }, 'bad-request', /MANA_LLM_MODEL/],
    [400, { error: { message: 'x does not support tools' } }, 'tool-less', /MANA_LLM_MODEL/],
    [
      400,
      { error: { message: '"auto" tool choice requires --enable-auto-tool-choice' } },
      'tool-less',
      /turn tool calls on/,
    ],
  ])('%d with %j is %s', async (status, body, kind, advice) => {
    server.script({ status, body });
    const result = await ask();
    expect(result).toMatchObject({ ok: false, error: { kind } });
    expect(result.ok ? '' : result.error.message).toMatch(advice);
    expect(server.sent).toHaveLength(1);
  });
});

describe('row 17: one request at a time, and a queue', () => {
  it('a local server gets one at a time and minutes to load', () => {
    const config = parseManaAiConfig({ MANA_LLM_URL: 'http://127.0.0.1:11434' });
    expect(config.ok && config.config.llm).toMatchObject({ maxConcurrency: 1, timeoutMs: 300_000 });
  });

  it('503 is an outage and nobody’s failure', async () => {
    server.script({ status: 503, body: { error: 'server busy, please try again' } });
    expect(await ask()).toMatchObject({ ok: false, error: { kind: 'server-error', outage: true } });
    expect(server.sent).toHaveLength(1);
  });
});

describe('row 18: a model that is passed on', () => {
  it.each([
    [{ remote_host: 'https://ollama.com:443', remote_model: 'big' }, 200, true],
    [{ details: {} }, 200, false],
    [{ error: 'not found' }, 404, false],
    ['<html>', 200, false],
  ])('%j with status %d', async (body, status, expected) => {
    server.script({ status, body });
    expect(await isPassedOn({ baseUrl: server.baseUrl, model: 'tiny' })).toBe(expected);
    expect(server.sent[0]).toMatchObject({ path: '/api/show', body: { model: 'tiny' } });
  });

  it('is remote by its name too', () => {
    const config = parseManaAiConfig({
      MANA_LLM_URL: 'http://127.0.0.1:11434',
      MANA_LLM_MODEL: 'big:120b-cloud',
    });
    expect(config.ok && config.config.llm.locality).toBe('remote');
  });
});

describe('row 19: what a model can do', () => {
  const word = { word: 'ready' };

  it.each([
    ['native', calling('report_ready', word)],
    [
      'text',
      completion({
        content: '<tool_call>{"name":"report_ready","arguments":{"word":"ready"}}</tool_call>',
      }),
    ],
    ['none', completion({ content: 'I am ready!' })],
    ['none', completion({ content: 'x', tool_calls: [] }, 'tool_calls')],
    ['none', { status: 400, body: { error: { message: 'tiny does not support tools' } } }],
  ])('%s', async (tools, reply) => {
    server.script(reply);
    expect(await probeServer()).toMatchObject({ ok: true, tools });
    expect(server.sent).toHaveLength(1);
  });

  it('is one short request', async () => {
    server.script(calling('report_ready', word));
    await probeServer();
    expect(server.sent[0]?.body.tools).toHaveLength(1);
    expect(tokensSent()).toBeLessThan(200);
    expect(server.sent[0]?.body['max_tokens']).toBe(512);
  });

  it.each([401, 404, 429, 500])('stays unknown where the server answers %d', async (status) => {
    server.script({ status, body: { error: 'no' } });
    expect(await probeServer()).toMatchObject({ ok: false });
    expect(server.sent).toHaveLength(1);
  });

  it('says whether it was Ollama that answered', async () => {
    const { body } = calling('report_ready', word);
    server.script({ body: { ...(body as object), system_fingerprint: 'fp_ollama' } });
    expect(await probeServer()).toMatchObject({ ok: true, isOllama: true });
  });
});

describe('answers that end too early', () => {
  it('are told apart by kind, code and message', async () => {
    const usage = { prompt_tokens: 4_096, completion_tokens: 20 };
    const cases = [
      [completion({ content: '' }), SHORT],
      [completion({ content: 'I would first of all' }, 'length'), SHORT],
      [completion({ content: 'Hello!' }, 'stop', usage), longPrompt(4_500)],
      [{ status: 400, body: { error: 'maximum context length' } }, SHORT],
      [{ status: 400, body: { error: 'does not support tools' } }, SHORT],
      [completion({ content: 'x', tool_calls: [] }, 'tool_calls'), SHORT],
    ] as const;
    const errors = [];
    for (const [reply, messages] of cases) {
      server.script(reply);
      const result = await ask({ messages });
      if (!result.ok) errors.push(result.error);
    }
    const kinds = [
      'empty-answer',
      'answer-truncated',
      'context-truncated',
      'context-overflow',
      'tool-less',
      'bad-answer',
    ];
    expect(errors.map(({ kind }) => kind)).toEqual(kinds);
    expect(new Set(errors.map(({ code }) => code)).size).toBe(kinds.length);
    expect(new Set(errors.map(({ message }) => message)).size).toBe(kinds.length);
    expect(errors.every(({ outage }) => !outage)).toBe(true);
  });

  it('a good answer teaches nothing', async () => {
    server.script(calling('create_task', MILK));
    expect((await ask()).adaptation).toEqual(UNADAPTED);
  });
});
