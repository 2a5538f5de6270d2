import { createServer, type Server } from 'node:http';

/** Serves one key set on a free port; `/elsewhere` redirects to it and `/broken` answers 500. */
export async function serveKeySet(keys: unknown[]): Promise<{ url: string; close: () => void }> {
  const server: Server = createServer((request, response) => {
    if (request.url === '/elsewhere') response.writeHead(302, { location: '/jwks.json' }).end();
    else if (request.url === '/jwks.json') response.end(JSON.stringify({ keys }));
    else response.writeHead(500).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}
