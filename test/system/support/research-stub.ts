import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export type ResearchStub = {
  /** with a slash at its end, as a parsed URL has it */
  url: string;
  submitted: { body: unknown; headers: IncomingHttpHeaders }[];
  polls: number;
  /** what a poll answers, without the job's id */
  job: Record<string, unknown>;
  close(): Promise<void>;
};

/** A research endpoint (facts: records) whose job a test scripts; it runs until it is told otherwise. */
export async function startResearchStub(): Promise<ResearchStub> {
  const server = createServer((request, response) => {
    void (async () => {
      const body = await readBody(request);
      const isSubmit =
        request.method === 'POST' && request.url === '/api/v1/internal/research/async';
      if (isSubmit) stub.submitted.push({ body: JSON.parse(body), headers: request.headers });
      else stub.polls += 1;
      const taskId = isSubmit
        ? `task-${stub.submitted.length}`
        : (request.url?.split('/').at(-1) ?? '');
      const answer = {
        taskId,
        providerId: 'deep',
        ...(isSubmit ? { status: 'queued', costCredits: 1 } : stub.job),
      };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    })();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const stub: ResearchStub = {
    url: `http://127.0.0.1:${port}/`,
    submitted: [],
    polls: 0,
    job: { status: 'running' },
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return stub;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
