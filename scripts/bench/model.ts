import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * One call of the model. `mission` is the marker that `seed.ts` puts into each title; `round`
 * counts from 1.
 */
export type Call = { mission: string; round: number; atMs: number };

export type BenchModel = {
  /** base URL, with /v1 */
  url: string;
  calls: Call[];
  latencyMs: number;
  maxConcurrent(): number;
  open(): number;
  /**
   * called when a request is there in full, and when its answer has been sent; a test of crashes
   * ends the runner here
   */
  onRequest: (call: Call) => void;
  onAnswer: (call: Call) => void;
  close(): Promise<void>;
};

const FIRST = choice(
  {
    role: 'assistant',
    content: 'A list first.',
    tool_calls: [
      {
        id: 'call_1',
        type: 'function',
        function: {
          name: 'create_task',
          arguments: JSON.stringify({ title: 'Write down what is missing' }),
        },
      },
    ],
  },
  'tool_calls',
);
const LAST = choice(
  { role: 'assistant', content: 'One task was proposed: write down what is missing.' },
  'stop',
);

/** Rounds that a plan of this model takes. */
export const ROUNDS = 2;

/**
 * An OpenAI-compatible server that answers each plan in two rounds, a call and a last word, each
 * after `latencyMs`. It looks at requests without parsing them and keeps a few bytes of each: it
 * must not be what a measurement measures.
 */
export async function startBenchModel(): Promise<BenchModel> {
  let open = 0;
  let most = 0;
  const server = createServer((request, response) => {
    answer(request, response).catch(() => {
      // A runner that was killed leaves half a request behind.
      response.destroy();
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const model: BenchModel = {
    url: `http://127.0.0.1:${port}/v1`,
    calls: [],
    latencyMs: 0,
    maxConcurrent: () => most,
    open: () => open,
    onRequest: () => undefined,
    onAnswer: () => undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await bodyOf(request);
    const call = {
      mission: markerIn(text),
      round: text.includes('"role":"tool"') ? 2 : 1,
      atMs: Date.now(),
    };
    model.calls.push(call);
    most = Math.max(most, ++open);
    model.onRequest(call);
    if (model.latencyMs > 0) await new Promise((done) => setTimeout(done, model.latencyMs));
    open -= 1;
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(call.round === 1 ? FIRST : LAST);
    model.onAnswer(call);
  }
  return model;
}

function choice(message: unknown, finishReason: string): string {
  return JSON.stringify({
    choices: [{ index: 0, message, finish_reason: finishReason }],
    usage: { prompt_tokens: 900, completion_tokens: 40, total_tokens: 940 },
  });
}

function markerIn(text: string): string {
  return /mission-[0-9a-z-]+#/.exec(text)?.[0].slice(0, -1) ?? '';
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
