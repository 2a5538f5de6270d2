import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ChatMessage } from '../../../src/planner/chat.ts';
import {
  complete,
  type CompletionRequest,
  type CompletionResult,
  type LlmError,
} from '../../../src/model/llm-client.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';

type Handler = (response: ServerResponse) => void;
type Sent = { url: string; headers: IncomingHttpHeaders; body: Record<string, unknown> };

const KEY = 'sk-very-secret';
const PROMPT = 'a private objective';
const LEAK = 'words of the server';

let server: Server;
let handler: Handler;
let sent: Sent[] = [];

beforeAll(async () => {
  server = createServer((request, response) => void receive(request, response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});

beforeEach(() => {
  sent = [];
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
  sent.push({ url: request.url ?? '', headers: request.headers, body });
  handler(response);
}

function baseUrl(): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

async function ask(
  answer: Handler,
  changes: Partial<CompletionRequest> = {},
): Promise<CompletionResult> {
  handler = answer;
  return complete({
    baseUrl: baseUrl(),
    apiKey: KEY,
    model: 'tiny',
    timeoutMs: 5_000,
    maxTokens: 2_048,
    messages: [{ role: 'user', content: PROMPT }],
    tools: CATALOG.slice(0, 2),
    ...changes,
  });
}

async function failure(
  answer: Handler,
  changes: Partial<CompletionRequest> = {},
): Promise<LlmError> {
  const result = await ask(answer, changes);
  if (result.ok) throw new Error('an error was expected');
  for (const secret of [KEY, PROMPT, LEAK])
    expect(JSON.stringify(result.error)).not.toContain(secret);
  return result.error;
}

function reply(status: number, body: unknown, headers: Record<string, string> = {}): Handler {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
}

function choice(message: Record<string, unknown>, finishReason = 'stop'): Handler {
  return reply(200, {
    choices: [
      { index: 0, message: { role: 'assistant', ...message }, finish_reason: finishReason },
    ],
    usage: { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 },
  });
}

function call(name: string, args: unknown, id: unknown = 'c1'): Record<string, unknown> {
  return { id, type: 'function', function: { name, arguments: args } };
}

describe('the request', () => {
  it('says everything that servers have different defaults for, and nothing that small ones refuse', async () => {
    await ask(choice({ content: 'hi' }));
    const { url, headers, body } = sent[0]!;
    expect(url).toBe('/v1/chat/completions');
    expect(headers.authorization).toBe(`Bearer ${KEY}`);
    expect(Object.keys(body).toSorted()).toEqual(
      ['max_tokens', 'messages', 'model', 'stream', 'temperature', 'tools', 'top_p'].toSorted(),
    );
    expect(body).toMatchObject({ model: 'tiny', max_tokens: 2_048, stream: false });
    expect(body['tools']).toMatchObject([
      {
        type: 'function',
        function: { name: 'create_task', parameters: { type: 'object', required: ['title'] } },
      },
      { type: 'function', function: { name: 'complete_task' } },
    ]);
  });

  it('sends no key where there is none, and no tools where there are none', async () => {
    await ask(choice({ content: 'hi' }), { apiKey: null, tools: [], baseUrl: `${baseUrl()}/` });
    expect(sent[0]?.url).toBe('/v1/chat/completions');
    expect(sent[0]?.headers).not.toHaveProperty('authorization');
    expect(sent[0]?.body).not.toHaveProperty('tools');
  });

  it('normalises the history: content is text, arguments are the text of an object', async () => {
    const messages: ChatMessage[] = [
      { role: 'system', content: 'rules' },
      { role: 'user', content: 'go \ud800' },
      {
        role: 'assistant',
        content: '',
        toolCalls: [{ id: 'a', name: 'stop_timer', arguments: '' }],
      },
      { role: 'tool', toolCallId: 'a', content: 'recorded' },
      { role: 'assistant', content: '', toolCalls: [] },
    ];
    await ask(choice({ content: 'hi' }), { messages });
    expect(sent[0]?.body['messages']).toEqual([
      { role: 'system', content: 'rules' },
      { role: 'user', content: 'go \ufffd' },
      { role: 'assistant', content: '', tool_calls: [call('stop_timer', '{}', 'a')] },
      { role: 'tool', tool_call_id: 'a', content: 'recorded' },
      { role: 'assistant', content: '' },
    ]);
  });
});

describe('the answer', () => {
  it('has content, calls, usage and the reason of its end', async () => {
    const args = '{"title":"Buy milk"}';
    expect(
      await ask(choice({ content: null, tool_calls: [call('create_task', args)] }, 'tool_calls')),
    ).toMatchObject({
      ok: true,
      answer: {
        content: '',
        toolCalls: [{ id: 'c1', name: 'create_task', arguments: args }],
        usage: { promptTokens: 12, completionTokens: 3 },
        finishReason: 'tool_calls',
      },
    });
  });

  it.each([
    [{ content: '<think>hm</think>Yes.' }],
    [{ content: 'Yes.', reasoning: 'hm' }],
    [{ content: 'Yes.', reasoning_content: 'hm' }],
    [
      {
        content: [
          { type: 'thinking', thinking: 'hm' },
          { type: 'text', text: 'Yes.' },
        ],
      },
    ],
  ])('holds no thoughts: %j', async (message) => {
    expect(await ask(choice(message))).toMatchObject({ ok: true, answer: { content: 'Yes.' } });
  });

  it('takes arguments that come as an object, calls without id, and a server that counts nothing', async () => {
    const message = { content: '', tool_calls: [call('create_task', { title: 'a' }, null)] };
    const result = await ask(reply(200, { choices: [{ message, finish_reason: 'stop' }] }));
    expect(result).toMatchObject({
      ok: true,
      answer: {
        toolCalls: [{ id: '', name: 'create_task', arguments: '{"title":"a"}' }],
        usage: { promptTokens: null, completionTokens: null },
      },
    });
  });

  it.each([-1, 1.5, '12', 9e15])('takes a count of %j tokens for none', async (count) => {
    const usage = { prompt_tokens: count, completion_tokens: count };
    const result = await ask(
      reply(200, { choices: [{ message: { content: 'Yes.' }, finish_reason: 'stop' }], usage }),
    );
    expect(result).toMatchObject({
      ok: true,
      usage: { promptTokens: null, completionTokens: null },
    });
  });

  it('takes JSON under another content type', async () => {
    const body = { choices: [{ message: { content: 'Yes.' }, finish_reason: 'stop' }] };
    const result = await ask(reply(200, body, { 'content-type': 'text/plain' }));
    expect(result).toMatchObject({ ok: true, answer: { content: 'Yes.' } });
  });

  it('may be silent after the model has been told what became of its calls', async () => {
    const messages: ChatMessage[] = [
      { role: 'user', content: PROMPT },
      {
        role: 'assistant',
        content: '',
        toolCalls: [{ id: 'a', name: 'stop_timer', arguments: '{}' }],
      },
      { role: 'tool', toolCallId: 'a', content: 'recorded' },
    ];
    expect(await ask(choice({ content: '' }), { messages })).toMatchObject({
      ok: true,
      answer: { content: '' },
    });
    expect((await failure(choice({ content: '' }, 'length'), { messages })).kind).toBe(
      'empty-answer',
    );
  });

  it.each([
    ['nothing at all', choice({ content: '' }), 'empty-answer'],
    ['thoughts alone', choice({ content: '<think>hm', reasoning: 'hm' }, 'length'), 'empty-answer'],
    [
      'calls that are promised and missing',
      choice({ content: 'x', tool_calls: [] }, 'tool_calls'),
      'bad-answer',
    ],
    [
      'calls that cannot be read',
      choice({ content: 'x', tool_calls: [{ id: 'a' }] }),
      'bad-answer',
    ],
    ['no choices', reply(200, { choices: [] }), 'bad-answer'],
    ['a choice without message', reply(200, { choices: [{}] }), 'bad-answer'],
    ['a list', reply(200, []), 'bad-answer'],
    ['no JSON', reply(200, `<html>${LEAK}</html>`), 'bad-answer'],
    ['no body', reply(200, ''), 'bad-answer'],
    ['no content', reply(204, ''), 'bad-answer'],
    ['an error with status 200', reply(200, { error: LEAK }), 'bad-answer'],
    ['a body without end', reply(200, `"${'x'.repeat(5_000_000)}"`), 'bad-answer'],
  ])('that is %s is an error of the model, no outage', async (_rule, answer, kind) => {
    expect(await failure(answer)).toMatchObject({ kind, outage: false, retryAfterMs: null });
  });
});

describe('an error', () => {
  it.each([
    [400, { error: { message: LEAK } }, 'bad-request', false],
    [
      400,
      { error: `Trying to keep the first 9000 tokens to keep ${LEAK}` },
      'context-overflow',
      false,
    ],
    [400, { error: { message: LEAK, code: 'context_length_exceeded' } }, 'context-overflow', false],
    [
      500,
      { error: { message: `the request exceeds the available context size ${LEAK}` } },
      'context-overflow',
      false,
    ],
    [401, { error: { message: LEAK } }, 'unauthorized', false],
    [403, LEAK, 'unauthorized', false],
    [404, { error: LEAK }, 'not-found', false],
    [408, '', 'timeout', true],
    [413, '', 'context-overflow', false],
    [422, { detail: LEAK }, 'bad-request', false],
    [429, { error: { message: LEAK } }, 'rate-limited', true],
    [500, { error: LEAK }, 'server-error', true],
    [503, '', 'server-error', true],
  ])('of status %d with %j has its kind', async (status, body, kind, outage) => {
    const error = await failure(reply(status, body));
    expect(error).toMatchObject({
      kind,
      outage,
      code: `LLM_${kind.toUpperCase().replace('-', '_')}`,
    });
    expect(sent).toHaveLength(1);
  });

  it('says for 404 what to check', async () => {
    const { message } = await failure(reply(404, { error: LEAK }));
    expect(message).toMatch(/MANA_LLM_URL.*MANA_LLM_MODEL/);
  });

  it.each([
    ['7', 7_000],
    ['1.5', 1_500],
    ['100000', 3_600_000],
    ['Thu, 01 Jan 2015 00:00:00 GMT', 0],
    ['Thu, 01 Jan 2099 00:00:00 GMT', 3_600_000],
    ['soon', null],
    ['-3', null],
  ])('carries Retry-After %j, at most 60 min', async (header, expected) => {
    const error = await failure(reply(429, '', { 'retry-after': header }));
    expect(error.retryAfterMs).toBe(expected);
  });

  it('is unreachable where nobody listens', async () => {
    const error = await failure(choice({ content: '' }), { baseUrl: 'http://127.0.0.1:1/v1' });
    expect(error).toMatchObject({ kind: 'unreachable', outage: true });
  });

  it('is unreachable where the connection ends with half a body', async () => {
    const error = await failure((response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"choices":[', () => response.destroy());
    });
    expect(error).toMatchObject({ kind: 'unreachable', outage: true });
  });

  it.each<[string, Handler]>([
    ['nothing comes', () => undefined],
    ['the body stalls half way', (response) => response.writeHead(200).write('{"choices":[')],
    ['the body of an error stalls', (response) => response.writeHead(500).write('{"error":')],
  ])('is a timeout where %s', async (_rule, answer) => {
    const error = await failure(answer, { timeoutMs: 150 });
    expect(error).toMatchObject({ kind: 'timeout', outage: true });
  });

  it('is cancelled by the caller, before the call and during it', async () => {
    expect((await failure(choice({ content: 'x' }), { signal: AbortSignal.abort() })).kind).toBe(
      'cancelled',
    );
    const control = new AbortController();
    const error = await failure(() => control.abort(), { signal: control.signal });
    expect(error).toMatchObject({ kind: 'cancelled', outage: false });
  });

  it.each([301, 302, 307, 308])('is a redirect of status %d, never followed', async (status) => {
    const error = await failure(reply(status, '', { location: `${baseUrl()}/elsewhere` }));
    expect(error).toMatchObject({ kind: 'not-found', outage: false });
    expect(error.message).toContain('redirect');
    expect(sent).toHaveLength(1);
  });
});
