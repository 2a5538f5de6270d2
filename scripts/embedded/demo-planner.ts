import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The parts of a chat completion request that the rules look at. */
type Message = { role: string; content?: string | null };
type ChatRequest = { model: string; messages: Message[]; tools?: { function: { name: string } }[] };

/** What a prompt says about its mission, as far as the rules read it. */
type Facts = {
  title: string;
  objective: string;
  goals: string[];
  notes: string[];
  tasks: string[];
  inTwoDays: string | null;
};
type Call = { name: string; arguments: Record<string, unknown> };
type Rule = { tool: string; words: RegExp; call: (facts: Facts) => Record<string, unknown> };

const RULES: readonly Rule[] = [
  {
    tool: 'create_event',
    words: /\b(meeting|appointment|calendar|termin|treffen)/i,
    call: ({ title, inTwoDays }) => {
      const day = inTwoDays ?? '2027-01-04';
      return { title, startTime: `${day}T09:00:00Z`, endTime: `${day}T10:00:00Z` };
    },
  },
  {
    tool: 'create_note',
    words: /\b(note|question|write|idea|notiz|frage|idee)/i,
    call: ({ title, objective }) => ({
      title: `Open questions: ${title}`,
      content: `Objective: ${objective}\n\n- What is next?`,
    }),
  },
  {
    tool: 'create_habit',
    words: /\b(habit|routine|gewohnheit)/i,
    call: ({ title }) => ({ title, icon: 'star', color: '#22c55e' }),
  },
];

/** Reading comes before proposing, once for each tool. */
const READ_RULES: readonly { tool: string; words: RegExp }[] = [
  { tool: 'list_tasks', words: /\b(tasks|aufgaben)\b/i },
];

/** What a starting runner asks for, to see whether tools are called at all. */
const PROBE: Call = { name: 'report_ready', arguments: { word: 'ready' } };

const MAX_BODY_BYTES = 4 * 1024 * 1024;
const LONGEST_TOPIC = 80;
const MOST_CALLS = 3;

/**
 * An OpenAI-compatible server that plans by simple rules, so that a first start shows the whole path without a model. A demo:
 * it matches words of the prompt and knows nothing. Deterministic. `npm start` uses it only where MANA_LLM_URL is unset.
 * POST /v1/chat/completions and GET /health; port 0 takes any free one.
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
  if (request.method === 'GET' && request.url === '/health')
    return send(response, 200, { status: 'ok', planner: 'demo' });
  if (request.method !== 'POST' || request.url !== '/v1/chat/completions') {
    return send(response, 404, {
      error: { message: 'The demo planner knows POST /v1/chat/completions and GET /health.' },
    });
  }
  try {
    send(response, 200, completion(JSON.parse(await readBody(request)) as ChatRequest));
  } catch {
    send(response, 400, { error: { message: 'The body is not a chat completion request.' } });
  }
}

/** First the calls that fit the prompt; once they are acknowledged, the sentence that ends the plan. */
function completion(request: ChatRequest): Record<string, unknown> {
  const facts = readFacts(request.messages);
  const offered = new Set(request.tools?.map((tool) => tool.function.name));
  const calls = offered.has(PROBE.name) ? [PROBE] : nextCalls(request.messages, facts, offered);
  const content = calls.length > 0 ? `This brings "${facts.title}" forward.` : closingWords(facts);
  return {
    id: 'demo',
    object: 'chat.completion',
    created: 0,
    model: request.model,
    choices: [
      {
        index: 0,
        finish_reason: calls.length > 0 ? 'tool_calls' : 'stop',
        message: {
          role: 'assistant',
          content,
          ...(calls.length > 0 ? { tool_calls: calls.map(toWire) } : {}),
        },
      },
    ],
    usage: usageOf(request, content),
  };
}

/** Read first, then propose, then end. */
function nextCalls(
  messages: readonly Message[],
  facts: Facts,
  offered: ReadonlySet<string>,
): Call[] {
  const replies = messages
    .filter(({ role }) => role === 'tool')
    .map(({ content }) => content ?? '');
  if (replies.some((reply) => !reply.startsWith('{"status":"read"'))) return [];
  const reads = READ_RULES.filter(
    ({ tool, words }) => offered.has(tool) && words.test(facts.objective),
  );
  if (replies.length === 0 && reads.length > 0)
    return reads.map(({ tool }) => ({ name: tool, arguments: {} }));
  return callsFor(facts, offered);
}

function callsFor(facts: Facts, offered: ReadonlySet<string>): Call[] {
  const matching = RULES.filter(({ words }) => words.test(facts.objective)).map(
    ({ tool, call }) => ({
      name: tool,
      arguments: call(facts),
    }),
  );
  const calls = [...tasksFor(facts, matching.length === 0), ...matching];
  return calls.filter(({ name }) => offered.has(name)).slice(0, MOST_CALLS);
}

/** A task for each goal, note or open task of the prompt; one for the mission itself where nothing else fits it. */
function tasksFor(
  { title, objective, goals, notes, tasks, inTwoDays }: Facts,
  nothingElse: boolean,
): Call[] {
  const due = inTwoDays === null ? {} : { dueDate: inTwoDays };
  const asked = nothingElse || /\b(task|todo|prepare|plan|aufgabe|erledig)/i.test(objective);
  const known = [...goals, ...notes.slice(0, 2), ...tasks.slice(0, 1)];
  const topics = known.length > 0 ? known : asked ? [title] : [];
  return topics.slice(0, MOST_CALLS).map((topic) => ({
    name: 'create_task',
    arguments: {
      title: `Next step: ${topic}`,
      ...due,
      priority: 'medium',
      description: `For the mission "${title}".`,
    },
  }));
}

function closingWords({ title, goals, notes, tasks }: Facts): string {
  const sources = [...goals, ...notes, ...tasks].map((source) => `"${source}"`);
  const reason = sources.length > 0 ? ` They follow from ${sources.join(', ')}.` : '';
  return `These are the next steps for "${title}".${reason} Proposed by the demo planner, which follows simple rules.`;
}

function readFacts(messages: readonly Message[]): Facts {
  const user = textOf(messages, 'user');
  const title = short(/^Title: (.+)$/m.exec(user)?.[1] ?? 'your mission');
  const objective = /^Objective:\n([^]*?)\nEND MISSION/m.exec(user)?.[1] ?? user;
  const linesOf = (label: RegExp): string[] =>
    [...user.matchAll(label)].map((match) => short(match[1] ?? ''));
  const goals = linesOf(/^Goal: (.+)$/gm);
  const notes = linesOf(/^notes: (.+)$/gm);
  const tasks = messages
    .filter(({ role }) => role === 'tool')
    .flatMap(({ content }) => titlesRead(content ?? ''));
  const now = /^Now it is (\S+),/m.exec(textOf(messages, 'system'))?.[1] ?? '';
  const nowMs = Date.parse(now);
  const inTwoDays = Number.isNaN(nowMs)
    ? null
    : new Date(nowMs + 2 * 86_400_000).toISOString().slice(0, 10);
  return { title, objective, goals, notes, tasks, inTwoDays };
}

/** The titles of what a reading call brought. */
function titlesRead(reply: string): string[] {
  const { result } = JSON.parse(reply) as { result?: { items?: { title?: unknown }[] } };
  return (result?.items ?? []).flatMap(({ title }) =>
    typeof title === 'string' ? [short(title)] : [],
  );
}

function textOf(messages: readonly Message[], role: string): string {
  return messages
    .filter((message) => message.role === role)
    .map(({ content }) => content ?? '')
    .join('\n');
}

function short(text: string): string {
  return text.trim().slice(0, LONGEST_TOPIC).toWellFormed();
}

function toWire({ name, arguments: args }: Call, index: number): Record<string, unknown> {
  return {
    id: `call_${index + 1}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(args) },
  };
}

/** Four characters a token, so that budgets and metrics have something to count. */
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
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).byteLength;
    if (size > MAX_BODY_BYTES) throw new Error('the body is too large');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

if (import.meta.main) {
  const { url } = await startDemoPlanner({ port: Number(process.argv[2] ?? 8_000) });
  process.stdout.write(`demo planner at ${url}\n`);
}
