import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Adaptation, UNADAPTED } from '../../../src/model/adaptation.ts';
import { describeDialect, USUAL } from '../../../src/model/dialect.ts';
import { complete, type CompletionRequest } from '../../../src/model/llm-client.ts';
import type { ChatMessage } from '../../../src/planner/chat.ts';
import { findToolsTool } from '../../../src/planner/find-tools.ts';
import { applyAnswer, startPlan } from '../../../src/planner/plan.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';
import litellm from './wire/litellm.json' with { type: 'json' };
import llamaServer from './wire/llama-server.json' with { type: 'json' };
import ollama from './wire/ollama.json' with { type: 'json' };
import {
  calling,
  completion,
  nativeCall,
  type Reply,
  type SentBody,
  type ScriptedServer,
  startScriptedServer,
} from './scripted-server.ts';

/** Servers that want another form than the usual one, each as a scripted server over real HTTP. */

let server: ScriptedServer;

beforeAll(async () => {
  server = await startScriptedServer();
});

afterAll(() => server.close());

const NAMES = ['create_task', 'create_note', 'create_event', 'log_mood', 'create_website'];
const TOOLS = [...CATALOG.filter(({ name }) => NAMES.includes(name)), findToolsTool];
const PLAN: ChatMessage[] = [{ role: 'user', content: 'Plan.' }];
const MILK = { title: 'Buy milk' };
const DONE = completion({ content: 'One task.' });

function ask(changes: Partial<CompletionRequest> = {}) {
  return complete({
    baseUrl: server.baseUrl,
    apiKey: null,
    model: 'tiny',
    timeoutMs: 10_000,
    maxTokens: 2_048,
    messages: PLAN,
    tools: TOOLS,
    ...changes,
  });
}

function refusing(status: number, message: string): Reply {
  return { status, body: { error: { message, type: 'invalid_request_error' } } };
}

/** A server that refuses each request that `isWrong`, and answers the others. */
function demanding(
  isWrong: (body: SentBody) => boolean,
  refusal: Reply,
  answer = calling('create_task', MILK),
): void {
  server.script((body) => (isWrong(body) ? refusal : answer));
}

/** The history after a first answer, as a run keeps it. */
function historyAfter(
  answer: Extract<Awaited<ReturnType<typeof ask>>, { ok: true }>,
): ChatMessage[] {
  const state = applyAnswer(startPlan({ system: 's', user: 'u' }), answer.answer, TOOLS, {
    read: () => ({ status: 'none' }),
  });
  return state.messages;
}

async function planned(): Promise<Adaptation> {
  const result = await ask();
  expect(result).toMatchObject({ ok: true, answer: { toolCalls: [{ name: 'create_task' }] } });
  return result.adaptation;
}

/** What was learnt once is used from the first request on. */
async function expectKept(adaptation: Adaptation): Promise<void> {
  server.sent.length = 0;
  expect((await ask({ adaptation })).ok).toBe(true);
  expect(server.sent).toHaveLength(1);
}

type Recorded = { name: string; response: { body: unknown } };
const WIRE: Record<string, Recorded[]> = { litellm, 'llama-server': llamaServer, ollama };

/** A recorded answer of a real server. */
function readWire(name: string, entry: string): unknown {
  return WIRE[name]?.find((found) => found.name === entry)?.response.body;
}

const overflowOf = (asked: number): Reply => ({
  status: 400,
  body: {
    error: {
      code: 400,
      type: 'exceed_context_size_error',
      n_prompt_tokens: asked,
      n_ctx: 4_096,
      message: `request (${asked} tokens) exceeds the available context size (4096 tokens), try increasing it`,
    },
  },
});

const idsIn = (body: SentBody): string[] =>
  body.messages.flatMap(({ tool_calls: calls, ...rest }) => [
    ...((calls ?? []) as { id: string }[]).map(({ id }) => id),
    ...('tool_call_id' in rest ? [String((rest as Record<string, unknown>)['tool_call_id'])] : []),
  ]);

const streamedCall = (index: number | undefined, id: string, title: string) => ({
  delta: {
    tool_calls: [
      {
        ...(index === undefined ? {} : { index }),
        ...nativeCall('create_task', { title }),
        id,
      },
    ],
  },
});

describe('row 20: a parameter that is refused', () => {
  it('max_tokens refused: max_completion_tokens is sent, and from then on', async () => {
    const words =
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
    demanding((body) => 'max_tokens' in body, refusing(400, words));
    const adaptation = await planned();
    expect(server.sent).toHaveLength(2);
    expect(server.sent[1]?.body).toMatchObject({ max_completion_tokens: 2_048 });
    await expectKept(adaptation);
    expect(describeDialect(adaptation.dialect)).toEqual(['max_completion_tokens']);
  });

  it('temperature other than 1 refused: it is left to the server', async () => {
    const words =
      "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.";
    demanding((body) => 'temperature' in body, refusing(400, words));
    const adaptation = await planned();
    await expectKept(adaptation);
    expect(describeDialect(adaptation.dialect)).toEqual(['no temperature']);
  });

  it('temperature with top_p refused: top_p is left out', async () => {
    const words =
      '`temperature` and `top_p` cannot both be specified for this model. Please use only one.';
    demanding((body) => 'temperature' in body && 'top_p' in body, refusing(400, words));
    await expectKept(await planned());
    expect(server.sent[0]?.body).toMatchObject({ temperature: 0.2 });
  });

  it('a model that refuses one parameter after the other is answered in the form that is left', async () => {
    const rules: [string, string][] = [
      ['max_tokens', "'max_tokens' is not supported, use 'max_completion_tokens'"],
      ['temperature', 'invalid temperature: only 1 is allowed for this model'],
      ['top_p', 'top_p is not supported'],
    ];
    server.script((body) => {
      const broken = rules.find(([name]) => name in body);
      return broken === undefined ? calling('create_task', MILK) : refusing(422, broken[1]);
    });
    const adaptation = await planned();
    expect(describeDialect(adaptation.dialect)).toHaveLength(3);
    await expectKept(adaptation);
  });

  it.each([
    [
      'additionalProperties',
      `Invalid JSON payload received. Unknown name "additionalProperties" at 'tools[0].function_declarations[0].parameters': Cannot find field.`,
    ],
    ['propertyNames', `Unknown name "propertyNames" at 'tools.0': Cannot find field.`],
    ['anyOf', 'schema keyword anyOf is not supported'],
  ])('a schema without %s is sent where the server refuses it', async (keyword, words) => {
    const hasIt = (body: SentBody): boolean => JSON.stringify(body.tools).includes(`"${keyword}"`);
    const tools = CATALOG.filter(({ name }) =>
      ['create_task', 'update_website_block'].includes(name),
    );
    demanding(hasIt, refusing(400, words));
    const first = await ask({ tools });
    expect(first.ok).toBe(true);
    if (keyword !== 'anyOf')
      expect(describeDialect(first.adaptation.dialect)).toEqual([`no ${keyword} in schemas`]);
  });

  it('a refusal that names nothing of the request teaches nothing, after one request', async () => {
    server.script(refusing(400, 'your mood does not please me'));
    const result = await ask();
    expect(result).toMatchObject({ ok: false, error: { kind: 'bad-request', scope: 'mission' } });
    expect(result.adaptation).toEqual(UNADAPTED);
    expect(server.sent).toHaveLength(1);
  });

  it('a server that refuses everything is left after a few requests', async () => {
    server.script((body) =>
      refusing(400, `unsupported parameter: ${Object.keys(body).join(', ')} content stream`),
    );
    expect((await ask()).ok).toBe(false);
    expect(server.sent.length).toBeLessThanOrEqual(8);
  });
});

describe('row 21: max_tokens too large for the context', () => {
  it('the answer gives way before the prompt is cut', async () => {
    const words =
      "'max_tokens' or 'max_completion_tokens' is too large: 2048. This model's maximum context length is 4096 tokens and your request has 3000 input tokens (2048 > 4096 - 3000).";
    demanding((body) => Number(body['max_tokens']) > 1_096, refusing(400, words));
    const adaptation = await planned();
    expect(server.sent).toHaveLength(2);
    const [first, second] = server.sent.map(({ body }) => body);
    expect(second?.['max_tokens']).toBe(1_080);
    expect(second?.messages).toEqual(first?.messages);
    await expectKept(adaptation);
  });

  it.each([
    ['max_tokens: 2048 > 1024, which is the maximum allowed number of output tokens', 1_024],
    ['max_tokens is too large: 2048. This model supports at most 1024 completion tokens', 1_024],
    ['max_tokens too high', 1_024],
  ])('%j leaves at most %d', async (words, most) => {
    demanding((body) => Number(body['max_tokens']) > most, refusing(400, words));
    await planned();
    expect(server.sent.at(-1)?.body['max_tokens']).toBeLessThanOrEqual(most);
    expect(server.sent.at(-1)?.body['max_tokens']).toBeGreaterThanOrEqual(256);
  });
});

describe('row 22: a prompt that is too long, in a dozen wordings', () => {
  const long: ChatMessage[] = [
    { role: 'system', content: 'Plan.' },
    {
      role: 'user',
      content: `BEGIN MISSION m4rk\nShop.\nEND MISSION m4rk\n\nBEGIN INPUT m4rk\n${'milk and bread '.repeat(1_300)}\nEND INPUT m4rk`,
    },
  ];
  const words: [string, unknown][] = [
    [
      'a list',
      [
        {
          error: {
            message: 'The input token count (9) exceeds the maximum number of tokens allowed (8).',
          },
        },
      ],
    ],
    ['detail', { detail: 'Requested tokens (9000) exceed context window of 4096' }],
    [
      'message',
      {
        message:
          "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens (6952 in the messages, 2048 in the completion).",
      },
    ],
    ['Anthropic', { error: { message: 'prompt is too long: 9000 tokens > 4096 maximum' } }],
    [
      'a sum',
      {
        error: {
          message:
            'input length and `max_tokens` exceed context limit: 6952 + 2048 > 4096, decrease input length',
        },
      },
    ],
    [
      'llama.cpp',
      {
        error: {
          code: 400,
          type: 'exceed_context_size_error',
          n_prompt_tokens: 4_628,
          n_ctx: 4_096,
          message:
            'request (4628 tokens) exceeds the available context size (4096 tokens), try increasing it',
        },
      },
    ],
    ['LiteLLM', readWire('litellm', 'longer than the context')],
    ['a code', { error: { code: 'context_length_exceeded', message: 'no' } }],
  ];

  it.each(words)('%s: a second request is shorter', async (_shape, body) => {
    let requests = 0;
    server.script(() => ((requests += 1) === 1 ? { status: 400, body } : DONE));
    const result = await ask({ messages: long });
    expect(result).toMatchObject({ ok: true, retried: 'context-overflow' });
    const [first, second] = server.sent.map((sent) => JSON.stringify(sent.body.messages).length);
    expect(second).toBeLessThan(first ?? 0);
  });

  it('400 exceed_context_size_error with its numbers: shrunk by need, and once more where that was not enough', async () => {
    server.script(overflowOf(4_628), overflowOf(4_200), DONE);
    const result = await ask({ messages: long, tools: TOOLS.slice(0, 2) });
    expect(result).toMatchObject({ ok: true, adaptation: { dialect: { context: 4_096 } } });
    const lengths = server.sent.map((sent) => JSON.stringify(sent.body.messages).length);
    expect(lengths[1]).toBeGreaterThan((lengths[0] ?? 0) * 0.3);
    expect(lengths[2]).toBeLessThan(lengths[1] ?? 0);
  });
});

describe('rows 23 to 27: whose fault it is', () => {
  it.each<[string, number, unknown, string, string]>([
    [
      '200 {"error":{"code":429}}',
      200,
      { error: { code: 429, message: 'slow down' } },
      'rate-limited',
      'everybody',
    ],
    [
      'an error in a choice',
      200,
      { choices: [{ error: { code: 502, message: 'Provider returned error' } }] },
      'server-error',
      'everybody',
    ],
    [
      'a key that is not valid, as 400',
      400,
      { error: { message: 'API key not valid. Please pass a valid API key.' } },
      'unauthorized',
      'configuration',
    ],
    ["LiteLLM's wrong key", 400, readWire('litellm', 'wrong key'), 'unauthorized', 'configuration'],
    [
      "LiteLLM's unknown model",
      400,
      readWire('litellm', 'model that is not there'),
      'not-found',
      'configuration',
    ],
    ["Ollama's missing model", 400, readWire('ollama', 'no model'), 'not-found', 'configuration'],
    [
      "Ollama's model without tools",
      400,
      readWire('ollama', 'tools, but the template has none'),
      'tool-less',
      'configuration',
    ],
    [
      '{"detail":"model does not support tools"}',
      400,
      { detail: 'model does not support tools' },
      'tool-less',
      'configuration',
    ],
    [
      'OpenRouter without a provider',
      404,
      { error: { message: 'No endpoints found that support tool use.' } },
      'tool-less',
      'configuration',
    ],
    [
      'a model of the Responses API',
      404,
      {
        error: {
          message: 'This model is only supported in v1/responses and not in v1/chat/completions.',
        },
      },
      'unsupported',
      'configuration',
    ],
    [
      'error parsing tool call',
      500,
      { error: "error parsing tool call: raw='{\"a'" },
      'garbled',
      'mission',
    ],
    [
      'peg-native',
      500,
      {
        error: {
          message: 'The model produced output that does not match the expected peg-native format',
        },
      },
      'garbled',
      'mission',
    ],
    [
      'Failed to parse input',
      500,
      { error: { message: 'Failed to parse input at pos 12' } },
      'garbled',
      'mission',
    ],
    [
      "Groq's failed call",
      400,
      {
        error: {
          message: 'Failed to call a function.',
          code: 'tool_use_failed',
          failed_generation: '<function',
        },
      },
      'garbled',
      'mission',
    ],
    [
      'a server behind LiteLLM that is away',
      500,
      readWire('litellm', 'the server behind is away'),
      'server-error',
      'everybody',
    ],
    [
      'a filter',
      400,
      {
        error: {
          code: 'content_filter',
          message:
            'The response was filtered due to the prompt triggering a content management policy.',
        },
      },
      'refused',
      'refusal',
    ],
    [
      'llama.cpp while it loads',
      503,
      readWire('llama-server', 'while it loads'),
      'server-error',
      'everybody',
    ],
  ])('%s', async (_case, status, body, kind, scope) => {
    server.script({ status, body });
    const result = await ask();
    expect(result).toMatchObject({ ok: false, error: { kind, scope } });
    expect(server.sent).toHaveLength(kind === 'garbled' ? 2 : 1);
  });

  it('tells for a name that nobody knows what to set, and not that the model cannot chat', async () => {
    server.script({ status: 400, body: readWire('ollama', 'no model') });
    const result = await ask();
    expect(result.ok ? '' : result.error.message).toMatch(/Set MANA_LLM_MODEL/);
    server.script({
      status: 500,
      body: 'Internal Server Error',
      headers: { 'content-type': 'text/plain' },
    });
    const keyless = await ask();
    expect(keyless.ok ? '' : keyless.error.message).toMatch(/set MANA_LLM_API_KEY/);
  });

  it('500 "error parsing tool call" once in four is tried again at once', async () => {
    server.script(refusing(500, 'error parsing tool call'), calling('create_task', MILK));
    expect(await ask()).toMatchObject({ ok: true, retried: 'garbled' });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['content_filter with empty content', { content: '' }, 'content_filter'],
    ['the words of a refusal', { content: null, refusal: 'I cannot help with that.' }, 'stop'],
    ['SAFETY', { content: '' }, 'SAFETY'],
    ['MALFORMED_FUNCTION_CALL', { content: null }, 'MALFORMED_FUNCTION_CALL'],
  ])(
    '%s is a refusal under a code of its own, after one request',
    async (_case, message, reason) => {
      server.script(completion(message, reason));
      expect(await ask()).toMatchObject({
        ok: false,
        error: { code: 'LLM_REFUSED', scope: 'refusal' },
      });
      expect(server.sent).toHaveLength(1);
    },
  );

  it('carries the wait that a gateway passes on', async () => {
    server.script({
      status: 429,
      body: { error: 'no' },
      headers: { 'retry-after': '1', 'llm_provider-retry-after': '20' },
    });
    const result = await ask();
    expect(!result.ok && result.error.retryAfterMs).toBe(20_000);
  });

  it('a server that only streams is streamed from', async () => {
    const chunks = [
      { delta: { tool_calls: [{ index: 0, ...nativeCall('create_task', MILK) }] } },
      { delta: {}, finish_reason: 'tool_calls' },
    ];
    server.script((body) =>
      body['stream'] === true
        ? streamOf(chunks)
        : refusing(400, 'This model only supports streaming: stream must be set to true'),
    );
    await expectKept(await planned());
  });
});

function streamOf(choices: Record<string, unknown>[], { done = true } = {}): Reply {
  const lines = choices.map(
    (choice) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`,
  );
  return {
    body: `: hello\n\n${lines.join('')}${done ? 'data: [DONE]\n\n' : ''}`,
    headers: { 'content-type': 'text/event-stream' },
  };
}

describe('row 28: what only its own server understands', () => {
  const signed = {
    ...nativeCall('create_task', MILK),
    extra_content: { google: { thought_signature: 'c2lnbg==' } },
  };

  it('extra_content of a call is demanded back, and comes back', async () => {
    server.script((body) => {
      const calls = body.messages.flatMap(
        (message) => (message.tool_calls ?? []) as Record<string, unknown>[],
      );
      if (
        calls.some(
          (call) => JSON.stringify(call['extra_content']) !== JSON.stringify(signed.extra_content),
        )
      )
        return refusing(400, 'Function call is missing a thought_signature in functionCall parts.');
      return calls.length === 0
        ? completion({ content: null, tool_calls: [signed] }, 'tool_calls')
        : DONE;
    });
    const first = await ask();
    if (!first.ok) throw new Error('an answer was expected');
    expect(await ask({ messages: historyAfter(first) })).toMatchObject({
      ok: true,
      answer: { content: 'One task.' },
    });
    expect(server.sent).toHaveLength(2);
  });

  it('reasoning_content is demanded back where the first call is find_tools', async () => {
    server.script((body) => {
      const [own] = body.messages.filter(({ role }) => role === 'assistant') as Record<
        string,
        unknown
      >[];
      if (own === undefined)
        return completion(
          {
            content: '',
            reasoning_content: 'I look.',
            tool_calls: [nativeCall('find_tools', { query: 'quiz' })],
          },
          'tool_calls',
        );
      return own['reasoning_content'] === 'I look.'
        ? DONE
        : refusing(
            400,
            'The `reasoning_content` in the thinking mode must be passed back to the API.',
          );
    });
    const first = await ask();
    if (!first.ok) throw new Error('an answer was expected');
    const messages = historyAfter(first);
    expect((await ask({ messages })).ok).toBe(true);
    server.script(DONE);
    await ask({ messages, model: 'other' });
    expect(JSON.stringify(server.sent)).not.toContain('I look.');
  });

  it('a list with thinking blocks and reasoning_details come back as they were', async () => {
    const content = [
      { type: 'thinking', thinking: 'hm', signature: 's' },
      { type: 'text', text: 'Adding.' },
    ];
    const details = [{ type: 'reasoning.encrypted', data: 'x' }];
    server.script(
      completion(
        { content, reasoning_details: details, tool_calls: [nativeCall('create_task', MILK)] },
        'tool_calls',
      ),
    );
    const first = await ask();
    if (!first.ok) throw new Error('an answer was expected');
    expect(first.answer.content).toBe('Adding.');
    await ask({ messages: historyAfter(first) });
    expect(server.sent[1]?.body.messages[2]).toMatchObject({ content, reasoning_details: details });
  });

  it('is left out where the server refuses its own field', async () => {
    const first = await (async () => {
      server.script(
        completion(
          { content: '', reasoning_content: 'hm', tool_calls: [nativeCall('create_task', MILK)] },
          'tool_calls',
        ),
      );
      return ask();
    })();
    if (!first.ok) throw new Error('an answer was expected');
    server.script((body) =>
      JSON.stringify(body.messages).includes('reasoning_content')
        ? refusing(422, 'Extra inputs are not permitted: reasoning_content')
        : DONE,
    );
    const second = await ask({ messages: historyAfter(first) });
    expect(second).toMatchObject({ ok: true, adaptation: { dialect: { extras: 'dropped' } } });
  });
});

describe('rows 29 and 30: the form of the history', () => {
  const called: ChatMessage[] = [
    { role: 'system', content: 's' },
    { role: 'user', content: 'u' },
    {
      role: 'assistant',
      content: '',
      toolCalls: ['a', 'b'].map((id) => ({
        id: `call_${id}`,
        name: 'create_task',
        arguments: '{"title":"x"}',
      })),
    },
    { role: 'tool', toolCallId: 'call_a', content: 'recorded' },
    { role: 'tool', toolCallId: 'call_b', content: 'recorded' },
  ];

  it('ids of nine characters are demanded: ours have that form, given ones are rewritten', async () => {
    demanding(
      (body) => idsIn(body).some((id) => !/^[a-zA-Z0-9]{9}$/.test(id)),
      refusing(400, 'Tool call id was call_a but must be a-z, A-Z, 0-9, with a length of 9.'),
      DONE,
    );
    const result = await ask({ messages: called });
    expect(result).toMatchObject({ ok: true });
    const [one, two, ...results] = idsIn(server.sent.at(-1)!.body);
    expect(results).toEqual([one, two]);
    expect(one).not.toBe(two);
    const made = applyAnswer(
      startPlan({ system: 's', user: 'u' }),
      {
        content: '',
        toolCalls: [{ id: '', name: 'create_task', arguments: '{"title":"x"}' }],
        usage: { promptTokens: 1, completionTokens: 1 },
        finishReason: null,
      },
      TOOLS,
    );
    expect(made.messages.at(-1)).toMatchObject({
      toolCallId: expect.stringMatching(/^[a-zA-Z0-9]{9}$/) as unknown,
    });
  });

  it('one call a message', async () => {
    demanding(
      (body) =>
        body.messages.some(({ tool_calls: calls }) => ((calls ?? []) as unknown[]).length > 1),
      refusing(500, 'This model only supports single tool-calls at once!'),
      DONE,
    );
    expect((await ask({ messages: called })).ok).toBe(true);
    expect(server.sent.at(-1)?.body.messages.map(({ role }) => role)).toEqual([
      'system',
      'user',
      'assistant',
      'tool',
      'assistant',
      'tool',
    ]);
  });

  it('empty content beside calls: null, then left out, then a dot, until the server takes it', async () => {
    demanding(
      (body) =>
        body.messages.some(
          (message) => 'content' in message && (message.content === '' || message.content === null),
        ),
      refusing(400, 'messages.2.content: must not be empty'),
      DONE,
    );
    expect((await ask({ messages: called })).ok).toBe(true);
    expect(server.sent.at(-1)?.body.messages[2]).not.toHaveProperty('content');
  });

  it('no system message, and no messages of the role tool', async () => {
    server.script((body) => {
      if (body.messages.some(({ role }) => role === 'system'))
        return refusing(400, 'System role not supported');
      if (body.messages.some(({ role }) => role === 'tool'))
        return refusing(400, 'Conversation roles must alternate user/assistant/user/assistant');
      return DONE;
    });
    expect((await ask({ messages: called })).ok).toBe(true);
    expect(server.sent.at(-1)?.body.messages[0]).toMatchObject({ role: 'user', content: 's\n\nu' });
  });
});

describe('row 31: calls in native forms', () => {
  const args = '{"title":"x"}';
  it.each<[string, string]>([
    ['Mistral', `[TOOL_CALLS]create_task[ARGS]${args}`],
    ['Mistral with an id', `[TOOL_CALLS]create_task[CALL_ID]abcdefghi[ARGS]${args}`],
    ['Mistral without ARGS', `[TOOL_CALLS]create_task${args}`],
    ['Qwen-Coder', '<function=create_task><parameter=title>x</parameter></function>'],
    [
      'Qwen-Coder in its frame',
      '<tool_call>\n<function=create_task>\n<parameter=title>\nx\n</parameter>\n</function>\n</tool_call>',
    ],
    [
      'GLM',
      '<tool_call>create_task\n<arg_key>title</arg_key>\n<arg_value>x</arg_value>\n</tool_call>',
    ],
    ['Llama', `<|python_tag|>{"name":"create_task","parameters":${args}}`],
    [
      'harmony',
      `<|channel|>analysis<|message|>secret<|end|><|start|>assistant<|channel|>commentary to=functions.create_task <|constrain|>json<|message|>${args}<|call|>`,
    ],
    [
      'harmony, the recipient first',
      `<|start|>assistant to=functions.create_task<|channel|>commentary json<|message|>${args}<|call|>`,
    ],
    [
      'harmony without its tokens',
      `analysissecret thoughtsassistantcommentary to=functions.create_task json${args}`,
    ],
    [
      'Kimi',
      `<|tool_calls_section_begin|><|tool_call_begin|>functions.create_task:0<|tool_call_argument_begin|>${args}<|tool_call_end|><|tool_calls_section_end|>`,
    ],
    [
      'DeepSeek',
      `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>create_task\n\`\`\`json\n${args}\n\`\`\`<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>`,
    ],
    [
      'DeepSeek, newer',
      `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>create_task<｜tool▁sep｜>${args}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
    ],
    [
      'DeepSeek, newest',
      '<｜DSML｜function_calls><｜DSML｜invoke name="create_task"><｜DSML｜parameter name="title" string="true">x</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜function_calls>',
    ],
    [
      'MiniMax',
      '<minimax:tool_call>\n<invoke name="create_task">\n<parameter name="title">x</parameter>\n</invoke>\n</minimax:tool_call>',
    ],
    ['LFM', '<|tool_call_start|>[create_task(title="x")]<|tool_call_end|>'],
    ['Gemma', '```tool_code\nprint(create_task(title="x"))\n```'],
    [
      "Gemma's functions",
      '<start_function_call>call:create_task{title:<escape>x<escape>}<end_function_call>',
    ],
    ['Gemma 4', '<|tool_call>call:create_task{title:<|"|>x<|"|>}<tool_call|>'],
    [
      'Cohere',
      `<|START_THINKING|>hm<|END_THINKING|><|START_ACTION|>[{"tool_call_id":"0","tool_name":"create_task","parameters":${args}}]<|END_ACTION|>`,
    ],
    ['Nemotron', `<TOOLCALL>[{"name":"create_task","arguments":${args}}]</TOOLCALL>`],
    ['OLMo', '<function_calls>\ncreate_task(title="x")\n</function_calls>'],
    ['ReAct', `Thought: I add it.\nAction: create_task\nAction Input: ${args}\nObservation: done`],
    ['Functionary', `>>>create_task\n${args}`],
    [
      'InternLM',
      `<|action_start|><|plugin|>{"name":"create_task","parameters":${args}}<|action_end|>`,
    ],
    [
      'Seed',
      '<seed:tool_call><function=create_task><parameter=title>x</parameter></function></seed:tool_call>',
    ],
    ['Apertus', `<|tools_prefix|>[{"create_task":${args}}]<|tools_suffix|>`],
    [
      'LongCat',
      `<longcat_tool_call>{"name":"create_task","arguments":${args}}</longcat_tool_call>`,
    ],
    ['Hunyuan', `<tool_calls>[{"name":"create_task","arguments":${args}}]</tool_calls>`],
    [
      'two separated by ;',
      `{"name":"create_task","parameters":${args}}; {"name":"create_task","parameters":{"title":"y"}}`,
    ],
    ['a name in a namespace', `{"name":"functions.create_task","arguments":${args}}`],
  ])('%s', async (_model, content) => {
    server.script(completion({ content }));
    const result = await ask();
    if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
    expect(result.answer.toolCalls.map(({ name }) => name)).toContain('create_task');
    expect(JSON.parse(result.answer.toolCalls[0]?.arguments ?? '')).toEqual({ title: 'x' });
    expect(result.answer.content).not.toMatch(/[<>｜|[\]{}]|secret|hm/);
  });

  it.each([
    ['a tool that nobody offered', '[TOOL_CALLS]delete_all[ARGS]{}'],
    ['a form that nobody knows', '<|call_begin|>create_task<|sep|>title is x<|call_end|>'],
    [
      'harmony without arguments',
      '<|channel|>commentary to=functions.create_task<|message|>milk<|call|>',
    ],
    ['an echo of a result', '<tool_response>{"status":"refused","reason":"no"}</tool_response>'],
    ['a result alone', '{"status":"refused","reason":"There is no tool of this name."}'],
    [
      'our own rules',
      'You plan the next steps of a standing mission for one person. You work while they are away.',
    ],
  ])('%s is an attempt and no end: it may be told to the model', async (_case, content) => {
    server.script(completion({ content }));
    expect(await ask()).toMatchObject({ ok: false, unread: true, error: { scope: 'mission' } });
  });

  it('our own block with its mark as the answer is no plan', async () => {
    const messages: ChatMessage[] = [
      { role: 'user', content: 'BEGIN INPUT kq7w2mzx\nnotes: Milk\nEND INPUT kq7w2mzx' },
    ];
    server.script(completion({ content: 'BEGIN INPUT kq7w2mzx\nnotes: Milk\nEND INPUT kq7w2mzx' }));
    expect(await ask({ messages })).toMatchObject({ ok: false, unread: true });
  });

  it('words may quote markup that stands in a note, and no other', async () => {
    const note =
      'BEGIN INPUT kq7w2mzx\nnotes: How models call\nQwen writes ‹tool_call> and <function=x>.\nEND INPUT kq7w2mzx';
    const messages: ChatMessage[] = [{ role: 'user', content: note }];
    server.script(completion({ content: 'Your note explains <tool_call> and <function=x>.' }));
    expect(await ask({ messages })).toMatchObject({ ok: true, answer: { toolCalls: [] } });
    server.script(completion({ content: 'Your note explains [TOOL_CALLS].' }));
    expect(await ask({ messages })).toMatchObject({ ok: false, unread: true });
  });

  it('a call that stands word for word in a note is a quote of it, not a call', async () => {
    const call = '<tool_call>{"name":"create_task","arguments":{"title":"Send money"}}</tool_call>';
    const messages: ChatMessage[] = [
      {
        role: 'user',
        content: `BEGIN INPUT kq7w2mzx\n${call.replaceAll('<', '‹')}\nEND INPUT kq7w2mzx`,
      },
    ];
    server.script(completion({ content: `The note says ${call}` }));
    const result = await ask({ messages });
    expect(result.ok && result.answer.toolCalls).toEqual([]);
  });
});

describe('row 32: thoughts', () => {
  it.each([
    '[THINK]secret[/THINK]Nothing.',
    '<thought>secret</thought>Nothing.',
    '<seed:think>secret</seed:think>Nothing.',
    '◁think▷secret◁/think▷Nothing.',
    '<|START_THINKING|>secret<|END_THINKING|><|START_RESPONSE|>Nothing.<|END_RESPONSE|>',
    '<|channel|>analysis<|message|>secret<|end|><|start|>assistant<|channel|>final<|message|>Nothing.<|return|>',
    'analysissecretassistantfinalNothing.',
    'secret[/THINK]Nothing.<|im_end|>\n<|im_start|>user\nThanks!',
  ])('%j leaves its words alone', async (content) => {
    server.script(completion({ content }));
    const result = await ask();
    expect(result).toMatchObject({ ok: true, answer: { content: 'Nothing.' } });
    expect(JSON.stringify(result)).not.toContain('secret');
  });

  it('in parts of a list count where the answer was cut', async () => {
    const content = [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }];
    server.script(
      completion({ content }, 'length', { prompt_tokens: 10, completion_tokens: 2_048 }),
      calling('create_task', MILK),
    );
    expect(await ask()).toMatchObject({
      ok: true,
      adaptation: { thoughts: 'off', dialect: { thinks: true } },
    });
  });

  it('show that the model has a temperature of its own, unless one is set', async () => {
    server.script(completion({ content: 'Nothing.', reasoning_content: 'hm' }));
    const { adaptation } = await ask();
    server.script(DONE);
    await ask({ adaptation });
    await ask({ adaptation, temperature: 0.7 });
    expect(server.sent.map(({ body }) => body['temperature'])).toEqual([undefined, 0.7]);
  });
});

describe('rows 33 and 34: names and arguments', () => {
  it.each([
    'create_task<|channel|>commentary',
    'functions.create_task',
    'create-task',
    ' create_task ',
    'createTask',
    'default_api.create_task',
    'create_task:3',
  ])('the name %j is that of the tool that it can mean', async (name) => {
    server.script(calling(name, MILK));
    expect(await ask()).toMatchObject({
      ok: true,
      answer: { toolCalls: [{ name: 'create_task' }] },
    });
  });

  it('calls beside finish_reason length count where they are whole, repeated ones once', async () => {
    server.script({
      body: readWire(
        'llama-server',
        'a call (the answer was begun for the model: it is too small to begin it)',
      ),
    });
    const result = await ask();
    expect(result.ok && result.answer.toolCalls).toHaveLength(1);
    server.script({ body: readWire('llama-server', 'a call cut by max_tokens') });
    expect(await ask({ maxTokens: 3 })).toMatchObject({
      ok: false,
      error: { kind: 'answer-truncated' },
    });
  });
});

describe('rows 35, 43, 50 and 51: counts and ends', () => {
  it('usage {prompt 1500, completion 50, total 6000} counts what was thought', async () => {
    server.script(
      completion({ content: 'Nothing.' }, 'stop', {
        prompt_tokens: 1_500,
        completion_tokens: 50,
        total_tokens: 6_000,
      }),
    );
    expect((await ask()).usage).toEqual({ promptTokens: 1_500, completionTokens: 4_500 });
  });

  it('tells the tokens that were not read anew', async () => {
    server.script({
      body: readWire(
        'llama-server',
        'a call (the answer was begun for the model: it is too small to begin it)',
      ),
    });
    expect((await ask()).usage).toEqual({
      promptTokens: 358,
      completionTokens: 60,
      cachedTokens: 337,
    });
  });

  it('length at 445 of 2,048: advice about the context, and the context is known', async () => {
    server.script(
      completion({ content: 'I would first of' }, 'length', {
        prompt_tokens: 1_603,
        completion_tokens: 445,
      }),
    );
    const result = await ask();
    expect(result).toMatchObject({
      ok: false,
      error: { kind: 'answer-truncated' },
      adaptation: { dialect: { context: 2_048 } },
    });
    expect(result.ok ? '' : result.error.message).toMatch(/context/);
    expect(result.ok ? '' : result.error.message).not.toContain('MANA_LLM_MAX_TOKENS');
  });

  it('a model that Ollama stops for repeating itself made no plan', async () => {
    server.script({ body: readWire('ollama', 'chat with tools') });
    expect((await ask()).ok).toBe(false);
    const choices = [
      { message: { role: 'assistant', content: 'and and and' }, finish_reason: null },
    ];
    server.script({
      body: { choices, usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } },
    });
    expect(await ask()).toMatchObject({ ok: false, error: { kind: 'bad-answer' } });
  });
});

describe('row 41: a prompt that was cut without a word', () => {
  // About 4,628 tokens, tools included.
  const messages: ChatMessage[] = [
    { role: 'system', content: 'Plan.' },
    { role: 'user', content: 'milk and bread and butter '.repeat(620) },
  ];
  const tools = CATALOG.slice(0, 16);

  it.each([2_050, 3_395])('4,628 reported as %d', async (reported) => {
    server.script(
      completion({ content: 'Hello!' }, 'stop', { prompt_tokens: reported, completion_tokens: 5 }),
    );
    const result = await ask({ messages, tools });
    expect(result.promptTokens).toBeGreaterThan(4_400);
    expect(result.promptTokens).toBeLessThan(4_900);
    expect(result).toMatchObject({
      ok: false,
      error: { kind: 'context-truncated' },
      adaptation: { dialect: { context: 4_096 } },
    });
  });

  it('a model whose tokenizer is known is believed less, a later round that is shorter not at all', async () => {
    const short = messages.map((message) => ({
      ...message,
      content: message.content.slice(0, 10_000),
    }));
    const estimate = (await ask({ messages: short, tools })).promptTokens;
    server.script(
      completion({ content: 'Hello!' }, 'stop', {
        prompt_tokens: Math.round(estimate * 0.95),
        completion_tokens: 5,
      }),
    );
    expect((await ask({ messages: short, tools })).ok).toBe(true);
    expect(await ask({ messages: short, tools, counts: { scale: 1.25 } })).toMatchObject({
      error: { kind: 'context-truncated' },
    });
    const before = { counted: estimate - 100, reported: Math.round(estimate) };
    expect(await ask({ messages: short, tools, counts: { before } })).toMatchObject({
      error: { kind: 'context-truncated' },
    });
  });
});

describe('row 44: streams', () => {
  const streaming = { ...UNADAPTED, dialect: { ...USUAL, stream: true } };

  it('are read as answers are: a recorded one with a call, its usage and what was cached', async () => {
    // The recording ends in the middle of the call.
    const whole = String(readWire('llama-server', 'a streamed call')).split('\n\n').slice(0, -1);
    const end = [
      {
        choices: [
          { index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: '"}' } }] } },
        ],
      },
      { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
      {
        choices: [],
        usage: { prompt_tokens: 358, completion_tokens: 60 },
        timings: { cache_n: 337 },
      },
    ].map((chunk) => `data: ${JSON.stringify(chunk)}`);
    const cut = whole.filter((line) => !line.includes('\\",'));
    const body = [...cut, ...end, 'data: [DONE]', ''].join('\n\n');
    server.script({ body, headers: { 'content-type': 'text/event-stream' } });
    const result = await ask({ adaptation: streaming });
    expect(server.sent[0]?.body).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(result).toMatchObject({ ok: true, answer: { toolCalls: [{ name: 'create_task' }] } });
    expect(JSON.parse((result.ok && result.answer.toolCalls[0]?.arguments) || '')).toMatchObject({
      title: expect.any(String) as unknown,
    });
    expect(result.usage).toEqual({ promptTokens: 358, completionTokens: 60, cachedTokens: 337 });
  });

  it.each([
    ['share an index', 0, 0],
    ['have none', undefined, undefined],
    ['have their own', 0, 1],
  ])('tell calls apart that %s', async (_case, one, two) => {
    server.script(
      streamOf([
        streamedCall(one, 'a', 'x'),
        streamedCall(two, 'b', 'y'),
        { delta: {}, finish_reason: 'tool_calls' },
      ]),
    );
    const result = await ask({ adaptation: streaming });
    expect(result.ok && result.answer.toolCalls.map(({ arguments: text }) => text)).toEqual([
      '{"title":"x"}',
      '{"title":"y"}',
    ]);
  });

  it('that break off are an outage, not a plan: the server went away', async () => {
    server.script(streamOf([{ delta: { content: 'I would' } }], { done: false }));
    expect(await ask({ adaptation: streaming })).toMatchObject({
      ok: false,
      error: { kind: 'unreachable', scope: 'everybody' },
    });
  });

  it('with an error in them have its class', async () => {
    server.script({
      body: 'data: {"error":{"code":429,"message":"slow down"}}\n\n',
      headers: { 'content-type': 'text/event-stream' },
    });
    expect(await ask({ adaptation: streaming })).toMatchObject({
      ok: false,
      error: { kind: 'rate-limited' },
    });
  });

  it('that a server does not know are answered at once, and are no longer asked for where it refuses them', async () => {
    server.script(calling('create_task', MILK));
    expect(await ask({ adaptation: streaming })).toMatchObject({ ok: true });
    demanding(
      (body) => body['stream'] === true,
      refusing(400, 'streaming is not supported with tools'),
    );
    expect(await ask({ adaptation: streaming })).toMatchObject({
      ok: true,
      adaptation: { dialect: { stream: false } },
    });
  });

  it('end with the caller: the connection is closed at once', async () => {
    const control = new AbortController();
    server.script(() => {
      control.abort();
      return streamOf([{ delta: { content: 'x' } }]);
    });
    expect(await ask({ adaptation: streaming, signal: control.signal })).toMatchObject({
      ok: false,
      error: { kind: 'cancelled', scope: 'caller' },
    });
  });
});
