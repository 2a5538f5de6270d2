import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The parts of a chat completion request that the rules look at. */
type Message = { role: string; content?: string | null };
type ChatRequest = { model: string; messages: Message[]; tools?: { function: { name: string } }[] };
type Rule = { words: RegExp; tool: string; call: (topic: string) => Record<string, unknown> };

const RULES: readonly Rule[] = [
  {
    words: /\b(task|todo|week|read|prepare)/i,
    tool: 'create_task',
    call: (topic) => ({ title: `Next step: ${topic}`, priority: 'medium' }),
  },
  {
    words: /\b(note|question|write|idea)/i,
    tool: 'create_note',
    call: (topic) => ({ title: topic, content: `Open questions about: ${topic}` }),
  },
];

const LONGEST_TOPIC = 80;

/**
 * An OpenAI-compatible server that plans by simple rules, so that a first start shows the whole path without a model.
 * A demo: it matches words of the request and knows nothing. `npm start` uses it only where MANA_LLM_URL is unset.
 */
export async function startDemoPlanner({
  port = 0,
  host = '127.0.0.1',
}: { port?: number; host?: string } = {}): Promise<{
  url: string;
  close(): Promise<void>;
}> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((done, failed) => {
    server.once('error', failed);
    server.listen(port, host, done);
  });
  const { port: chosen } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return { url: `http://${host}:${chosen}/v1`, close };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST' || request.url !== '/v1/chat/completions')
    return send(response, 404, { error: 'not found' });
  try {
    send(response, 200, completion(JSON.parse(await readBody(request)) as ChatRequest));
  } catch {
    send(response, 400, { error: 'the body is not a chat completion request' });
  }
}

function completion(request: ChatRequest): Record<string, unknown> {
  const planned = request.messages.some((message) => message.role === 'tool');
  const calls = planned ? [] : callsFor(request);
  const content = calls.length > 0 ? '' : 'These steps follow from your objective; approve the ones that help.';
  const message = { role: 'assistant', content, ...(calls.length > 0 ? { tool_calls: calls } : {}) };
  return {
    id: 'demo',
    object: 'chat.completion',
    created: 0,
    model: request.model,
    choices: [{ index: 0, finish_reason: calls.length > 0 ? 'tool_calls' : 'stop', message }],
    usage: usageOf(request, content),
  };
}

function callsFor({ messages, tools = [] }: ChatRequest): Record<string, unknown>[] {
  const text = messages
    .filter((message) => message.role === 'user')
    .map((message) => message.content ?? '')
    .join('\n');
  const offered = new Set(tools.map((tool) => tool.function.name));
  const topic = topicOf(text);
  return RULES.filter((rule) => offered.has(rule.tool) && rule.words.test(text)).map((rule, index) => ({
    id: `call_${index + 1}`,
    type: 'function',
    function: { name: rule.tool, arguments: JSON.stringify(rule.call(topic)) },
  }));
}

/** The mission's title if the prompt names one, else its first line with words. */
function topicOf(text: string): string {
  const titled = /title:\s*(.+)/i.exec(text)?.[1];
  const line = titled ?? text.split('\n').find((candidate) => /\p{L}{3}/u.test(candidate)) ?? 'your mission';
  return line.trim().slice(0, LONGEST_TOPIC).toWellFormed();
}

function usageOf({ messages }: ChatRequest, content: string): Record<string, number> {
  const promptTokens = Math.ceil(JSON.stringify(messages).length / 4);
  const completionTokens = Math.ceil(content.length / 4) + 20;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

if (import.meta.main) {
  const { url } = await startDemoPlanner({ port: 8000 });
  process.stdout.write(`demo planner at ${url}\n`);
}
