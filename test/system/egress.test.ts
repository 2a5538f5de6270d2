import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server as TcpServer,
} from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../scripts/build.ts';
import { projectPath } from '../../scripts/process/project.ts';
import { freePort } from '../../scripts/process/free-port.ts';
import { waitFor } from './support/runner.ts';

/** Vite reads its CommonJS otherwise than Node does. */
const { default: workerd } = createRequire(import.meta.url)('workerd') as { default: string };

/** Stands where a Worker of ours stands, and tries what it is told. */
const PROBE = `
import { connect } from 'cloudflare:sockets';
export default {
  async fetch(request) {
    const asked = new URL(request.url).searchParams;
    try {
      if (asked.has('socket')) {
        const socket = connect(asked.get('socket'));
        const writer = socket.writable.getWriter();
        await writer.write(new TextEncoder().encode('hello'));
        const { value } = await socket.readable.getReader().read();
        return new Response(value === undefined ? 'closed' : new TextDecoder().decode(value));
      }
      const answer = await fetch(asked.get('url'), { headers: { authorization: 'Bearer secret' } });
      return new Response(answer.status + ' ' + (await answer.text()));
    } catch { return new Response('failed'); }
  },
};`;

let allowed: Server;
let elsewhere: Server;
let database: TcpServer;
let folder: string;
let child: ChildProcess;
let probe: string;
const reached: string[] = [];

async function listen(server: Server | TcpServer): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

const portOf = (server: Server | TcpServer): number => (server.address() as AddressInfo).port;

/** The egress Worker of the runner exactly as workerd.capnp declares it, before a probe in the runner's place. */
function configText(port: number): string {
  const capnp = readFileSync(projectPath('workerd.capnp'), 'utf8');
  const [egress = ''] = /const manaAiEgress[\s\S]*?\n\);/.exec(capnp) ?? [];
  const [modules = ''] = /const egressModules[\s\S]*?\n\];/.exec(capnp) ?? [];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "probe", worker = (modules = [(name = "probe.js", esModule = embed "probe.js")], compatibilityDate = "2026-11-01", globalOutbound = "egress")),
    (name = "egress", worker = .manaAiEgress),
    (name = "internet", network = (allow = ["public", "private", "local"])),
    (name = "postgres", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "probe", http = (), address = "127.0.0.1:${port}", service = "probe")],
);
${modules.replaceAll('embed "dist/egress/src/', 'embed "')}
${egress}`;
}

async function ask(what: 'url' | 'socket', value: string): Promise<string> {
  return (await fetch(`${probe}/?${what}=${encodeURIComponent(value)}`)).text();
}

beforeAll(async () => {
  elsewhere = createServer((request, response) => {
    reached.push(request.url ?? '');
    response.end('elsewhere');
  });
  allowed = createServer((request, response) => {
    if (request.url === '/redirect')
      response.writeHead(302, { location: `http://127.0.0.1:${portOf(elsewhere)}/stolen` }).end();
    else response.end('the model');
  });
  database = createTcpServer(
    (socket) =>
      void socket
        .on('data', (data) => socket.end(`echo ${data.toString()}`))
        .on('error', () => undefined),
  );
  for (const server of [elsewhere, allowed, database]) await listen(server);
  build();
  folder = mkdtempSync(`${tmpdir()}/mana-edge-egress-`);
  const port = await freePort();
  writeFileSync(`${folder}/probe.js`, PROBE);
  cpSync(projectPath('dist/egress/src'), folder, { recursive: true });
  writeFileSync(`${folder}/config.capnp`, configText(port));
  child = spawn(workerd, ['serve', `${folder}/config.capnp`, 'config'], {
    stdio: 'ignore',
    env: {
      MANA_LLM_URL: `http://127.0.0.1:${portOf(allowed)}/v1`,
      DATABASE_URL: `postgres://u:p@127.0.0.1:${portOf(database)}/d`,
      MANA_AUTH_PORT: '9',
    },
  });
  probe = `http://127.0.0.1:${port}`;
  await waitFor(
    () =>
      fetch(probe).then(
        (answer) => answer.ok || undefined,
        () => undefined,
      ),
    'workerd',
  );
});

afterAll(() => {
  child?.kill('SIGKILL');
  for (const server of [allowed, elsewhere, database]) server?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

describe('a Worker behind its egress', () => {
  it('reaches what its configuration names, by fetch and by socket', async () => {
    expect(await ask('url', `http://127.0.0.1:${portOf(allowed)}/v1/models`)).toBe('200 the model');
    expect(await ask('socket', `127.0.0.1:${portOf(database)}`)).toBe('echo hello');
  });

  it('reaches nothing else: not another port, host, scheme, nor the model by socket or the database by fetch', async () => {
    const { port } = new URL(probe);
    const urls = [
      `http://127.0.0.1:${portOf(elsewhere)}/`,
      `http://localhost:${portOf(allowed)}/`,
      `https://127.0.0.1:${portOf(allowed)}/`,
      `http://127.0.0.1:${portOf(database)}/`,
      `http://127.0.0.1:${port}/`,
      'https://example.org/',
    ];
    for (const url of urls) expect([url, await ask('url', url)]).toEqual([url, 'failed']);
    for (const address of [
      `127.0.0.1:${portOf(elsewhere)}`,
      `127.0.0.1:${portOf(allowed)}`,
      `localhost:${portOf(database)}`,
    ]) {
      expect([address, await ask('socket', address)]).toEqual([
        address,
        expect.stringMatching(/^(?:failed|closed)$/),
      ]);
    }
    expect(reached).toEqual([]);
  });

  it('carries no credentials along a redirect', async () => {
    expect(await ask('url', `http://127.0.0.1:${portOf(allowed)}/redirect`)).toBe('failed');
    expect(reached).toEqual([]);
  });
});

describe('workerd.capnp', () => {
  it('lets neither Worker out but through its egress', () => {
    const capnp = readFileSync(projectPath('workerd.capnp'), 'utf8');
    for (const [constant, outbound] of [
      ['manaAi', 'mana-ai-egress'],
      ['manaAuth', 'mana-auth-egress'],
    ] as const) {
      const [, body = ''] =
        new RegExp(`const ${constant} :Workerd\\.Worker = \\(([\\s\\S]*?)\\n\\);`).exec(capnp) ??
        [];
      expect(body).toContain(`globalOutbound = "${outbound}"`);
      // The folder of its own objects is no way out.
      expect(body).not.toMatch(/"internet"|service = (?!"mana-ai-objects")/);
    }
  });
});
