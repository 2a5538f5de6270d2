import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type ChatBody = {
  model: string;
  messages: { role: string; content?: string }[];
  tools?: unknown[];
  max_tokens?: number;
};

/** What the stub does with each request until it is told otherwise. */
export type Behaviour =
  | 'plan'
  | 'hang'
  | 'half-body'
  | 'not-json'
  | 'empty-choice'
  | { status: number; retryAfterSeconds?: number; body?: unknown }
  /** the answer, also later; text is sent as it stands, anything else as JSON */
  | ((body: ChatBody) => unknown);

export type LlmStub = {
  /** base URL, with /v1 */
  url: string;
  port: number;
  requests: { body: ChatBody; atMs: number }[];
  /** the questions of a starting runner what the model can do; they are not among the requests */
  probes: ChatBody[];
  /** what is answered to them: a call of the tool unless a test says otherwise */
  answerProbe(behaviour: Behaviour): void;
  maxConcurrent(): number;
  behave(behaviour: Behaviour): void;
  latencyMs: number;
  close(): Promise<void>;
};

/** An OpenAI-compatible server whose behaviour a test scripts. 'plan' proposes one task, then ends with a sentence. */
export async function startLlmStub(port = 0): Promise<LlmStub> {
  let behaviour: Behaviour = 'plan';
  let probeBehaviour: Behaviour = callReady;
  const probes: ChatBody[] = [];
  let open = 0;
  let most = 0;
  const requests: LlmStub['requests'] = [];
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      // A client that was killed leaves half a request behind.
      if (request.complete) throw error;
    });
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  const address = server.address() as AddressInfo;
  const stub: LlmStub = {
    url: `http://127.0.0.1:${address.port}/v1`,
    port: address.port,
    requests,
    probes,
    answerProbe: (next) => {
      probeBehaviour = next;
    },
    maxConcurrent: () => most,
    behave: (next) => {
      behaviour = next;
    },
    latencyMs: 0,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await readBody(request);
    // Like most servers: nothing but the one route is known.
    if (request.url !== '/v1/chat/completions') return send(response, 404, '{"error":"not found"}');
    const body = JSON.parse(text) as ChatBody;
    if (isProbe(body)) {
      probes.push(body);
      return answer(probeBehaviour, body, response);
    }
    requests.push({ body, atMs: Date.now() });
    most = Math.max(most, ++open);
    await new Promise((done) => setTimeout(done, stub.latencyMs));
    await answer(behaviour, body, response, () => (open -= 1));
  }
  return stub;
}

async function answer(
  behaviour: Behaviour,
  body: ChatBody,
  response: ServerResponse,
  answered: () => void = () => undefined,
): Promise<void> {
  if (typeof behaviour !== 'function') {
    answered();
    return respond(behaviour, body, response);
  }
  const reply = await behaviour(body);
  answered();
  send(response, 200, typeof reply === 'string' ? reply : JSON.stringify(reply));
}

function callReady(): unknown {
  return toolCall('report_ready', { word: 'ready' });
}

/** Whether a starting runner asks what the model can do. */
function isProbe({ tools }: ChatBody): boolean {
  return JSON.stringify(tools ?? []).includes('report_ready');
}

function respond(
  behaviour: Exclude<Behaviour, (body: ChatBody) => unknown>,
  body: ChatBody,
  response: ServerResponse,
): void {
  if (behaviour === 'hang') return;
  if (behaviour === 'half-body') {
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
      .write('{"choices":[');
    setTimeout(() => response.destroy(), 50);
    return;
  }
  if (behaviour === 'not-json') return send(response, 200, '<html>a proxy says hello</html>');
  if (behaviour === 'empty-choice') return send(response, 200, JSON.stringify({ choices: [] }));
  if (typeof behaviour === 'object') {
    if (behaviour.retryAfterSeconds !== undefined)
      response.setHeader('retry-after', String(behaviour.retryAfterSeconds));
    return send(
      response,
      behaviour.status,
      JSON.stringify(behaviour.body ?? { error: { message: 'scripted failure' } }),
    );
  }
  send(response, 200, JSON.stringify(plan(body)));
}

/** What 'plan' answers. */
export function plan(body: ChatBody): unknown {
  return isSecondRound(body)
    ? finalAnswer('One task was proposed.')
    : toolCall('create_task', { title: 'Buy milk' });
}

/** Whether the request brings the acknowledgement of calls that an earlier answer made. */
export function isSecondRound(body: ChatBody): boolean {
  return body.messages.some((message) => message.role === 'tool');
}

export function toolCall(name: string, args: Record<string, unknown>): unknown {
  const call = {
    id: 'call_1',
    type: 'function',
    function: { name, arguments: JSON.stringify(args) },
  };
  return choice({ role: 'assistant', content: '', tool_calls: [call] }, 'tool_calls');
}

/** Several calls in one turn. */
export function toolCalls(
  calls: readonly [name: string, args: Record<string, unknown>][],
  content = '',
): unknown {
  const made = calls.map(([name, args], index) => ({
    id: `call_${index}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(args) },
  }));
  return choice({ role: 'assistant', content, tool_calls: made }, 'tool_calls');
}

export function finalAnswer(content: string): unknown {
  return choice({ role: 'assistant', content }, 'stop');
}

/** An answer with other counts of tokens than the usual ones. */
export function answerOf(
  reply: unknown,
  used: { promptTokens: number; completionTokens: number },
): unknown {
  const { promptTokens, completionTokens } = used;
  const usage = { prompt_tokens: promptTokens, completion_tokens: completionTokens };
  return { ...(reply as Record<string, unknown>), usage };
}

function choice(message: unknown, finishReason: string): unknown {
  return {
    choices: [{ index: 0, message, finish_reason: finishReason }],
    usage: { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 },
  };
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
