import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type SentBody = {
  messages: { role: string; content?: unknown; tool_calls?: unknown }[];
  tools?: { function: { name: string } }[];
} & Record<string, unknown>;

export type Sent = { path: string; body: SentBody };

/** One reply: a status and a body, which is text or becomes JSON. */
export type Reply = { status?: number; body: unknown; headers?: Record<string, string> };

export type ScriptedServer = {
  baseUrl: string;
  sent: Sent[];
  /** how the next requests are answered, the last one for all that follow */
  script(...replies: (Reply | ((body: SentBody) => Reply))[]): void;
  close(): Promise<void>;
};

/** An HTTP server that answers requests in the order of a script. */
export async function startScriptedServer(): Promise<ScriptedServer> {
  let replies: (Reply | ((body: SentBody) => Reply))[] = [];
  const sent: Sent[] = [];
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as SentBody;
    sent.push({ path: request.url ?? '', body });
    const next = replies.length > 1 ? replies.shift() : replies[0];
    const reply = typeof next === 'function' ? next(body) : next;
    const text = typeof reply?.body === 'string' ? reply.body : JSON.stringify(reply?.body);
    response
      .writeHead(reply?.status ?? 200, { 'content-type': 'application/json', ...reply?.headers })
      .end(text);
  }

  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    sent,
    script: (...next) => {
      replies = next;
      sent.length = 0;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** A chat completion with one message; `usage` null for a server that does not count. */
export function completion(
  message: Record<string, unknown>,
  finishReason = 'stop',
  usage: Record<string, number> | null = { prompt_tokens: 12, completion_tokens: 3 },
): Reply {
  const choices = [
    { index: 0, message: { role: 'assistant', ...message }, finish_reason: finishReason },
  ];
  return { body: { choices, ...(usage === null ? {} : { usage }) } };
}

/** A chat completion that makes one call as the API has it. */
export function calling(name: string, args: unknown): Reply {
  return completion({ content: null, tool_calls: [nativeCall(name, args)] }, 'tool_calls');
}

export function nativeCall(name: string, args: unknown): Record<string, unknown> {
  return { id: 'c1', type: 'function', function: { name, arguments: JSON.stringify(args) } };
}
