import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { migrate } from '../../scripts/migrate.ts';
import { dueMission, runnerRows, writeRecord } from './support/device.ts';
import { freePort } from './support/free-port.ts';
import { type LlmStub, startLlmStub } from './support/llm-stub.ts';
import { type Pooler, startPooler } from './support/pooler.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { type Runner, spawnServe, startRunner, waitFor } from './support/runner.ts';

let postgres: TestPostgres;
let llm: LlmStub;
let pooler: Pooler | undefined;
let runner: Runner | undefined;

beforeAll(async () => {
  postgres = await startPostgres();
  llm = await startLlmStub();
  await migrate(postgres.databaseUrl);
});

afterEach(async () => {
  await runner?.dispose();
  await pooler?.stop();
  runner = undefined;
  pooler = undefined;
});

afterAll(async () => {
  await llm?.close();
  await postgres?.stop();
});

async function planned(): Promise<void> {
  const userId = randomUUID();
  await writeRecord(postgres, { userId, recordId: 'm1', data: dueMission() });
  await waitFor(async () => (await runnerRows(postgres, userId, 'm1'))[0], 'the plan');
}

async function notices(): Promise<string[]> {
  const response = await runner?.get('/health');
  const health = await response?.json<{ notices: { code: string }[] }>();
  return (health?.notices ?? []).map(({ code }) => code);
}

it('through a pooler in session mode, LISTEN is heard and a mission is planned', async () => {
  pooler = await startPooler(postgres.databaseUrl, 'session');
  runner = await startRunner({ databaseUrl: pooler.databaseUrl, llmUrl: llm.url });
  await planned();
  expect(await notices()).toEqual([]);
});

it('in transaction mode the silence is noticed and said, and polls come often enough', async () => {
  pooler = await startPooler(postgres.databaseUrl, 'transaction');
  runner = await startRunner({ databaseUrl: pooler.databaseUrl, llmUrl: llm.url });
  const codes = await waitFor(async () => {
    const found = await notices();
    return found.length > 0 ? found : undefined;
  }, 'the notice');
  expect(codes).toEqual(['LISTEN_DEAF']);
  expect(runner.output()).toContain('MANA_LISTEN_URL');
  await planned();
});

it('in transaction mode with a direct way in MANA_LISTEN_URL nothing is amiss', async () => {
  pooler = await startPooler(postgres.databaseUrl, 'transaction');
  runner = await startRunner({
    databaseUrl: pooler.databaseUrl,
    llmUrl: llm.url,
    environment: { MANA_LISTEN_URL: postgres.databaseUrl },
  });
  await planned();
  expect(await notices()).toEqual([]);
});

it('statement mode is refused at the start, in words', async () => {
  pooler = await startPooler(postgres.databaseUrl, 'statement');
  const dataDir = mkdtempSync(`${tmpdir()}/mana-edge-pooler-data-`);
  try {
    const served = spawnServe({
      DATABASE_URL: pooler.databaseUrl,
      MANA_LLM_URL: llm.url,
      MANA_DATA_DIR: dataDir,
      MANA_AI_PORT: String(await freePort()),
      MANA_AUTH_PORT: String(await freePort()),
    });
    expect(await served.exited).toBe(1);
    expect(served.output()).toContain('statement mode');
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});

it('migrate through a pooler in transaction mode leaves no lock behind', async () => {
  await postgres.query('create database pooled');
  pooler = await startPooler(postgres.databaseUrl, 'transaction');
  const url = pooler.databaseUrl.replace(/\/postgres$/, '/pooled');
  expect((await migrate(url)).applied.length).toBeGreaterThan(0);
  const locks = await postgres.query(`select 1 from pg_locks where locktype = 'advisory'`);
  expect(locks).toEqual([]);
  expect((await migrate(url)).applied).toEqual([]);
});

/** A superuser of its own, whose name and password a test chooses. */
async function makeLogin(name: string, password: string): Promise<void> {
  const literal = (await postgres.query('select quote_literal($1) as text', [password]))[0]?.[
    'text'
  ];
  await postgres.query(`create role ${name} login superuser password ${String(literal)}`);
}

function urlAs(user: string, password: string): string {
  const url = new URL(postgres.databaseUrl);
  url.username = user;
  url.password = encodeURIComponent(password);
  return url.href;
}

it.each([
  ['an accent of its own', 'cafe\u0301'],
  ['a soft hyphen', 'pass\u00ADword'],
  ['a no-break space', 'pass\u00A0word'],
])('a password with %s means the same to every driver', async (_name, password) => {
  const user = `login_${randomUUID().slice(0, 8)}`;
  await makeLogin(user, password);
  runner = await startRunner({ databaseUrl: urlAs(user, password), llmUrl: llm.url });
  await planned();
});

it('what PGUSER, PGPASSWORD and PGPORT alone hold reaches the Workers', async () => {
  const { username, password, port, pathname } = new URL(postgres.databaseUrl);
  runner = await startRunner({
    databaseUrl: `postgres://127.0.0.1${pathname}`,
    llmUrl: llm.url,
    environment: {
      PGUSER: username,
      PGPASSWORD: decodeURIComponent(password),
      PGPORT: port,
    },
  });
  await planned();
  expect(runner.output()).not.toContain(decodeURIComponent(password));
});

it('migrate without a password says at once that one is missing', async () => {
  const error = await migrate(urlAs('postgres', '')).catch((thrown: unknown) => thrown);
  expect(String(error)).toContain('asks for a password');
});

it('ready is not printed before a Worker has made a transaction of its own', async () => {
  const gate = await refuseWorkers(Number(new URL(postgres.databaseUrl).port));
  const url = new URL(postgres.databaseUrl);
  url.port = String(gate.port);
  const dataDir = mkdtempSync(`${tmpdir()}/mana-edge-ready-`);
  try {
    const served = spawnServe({
      DATABASE_URL: url.href,
      MANA_LLM_URL: llm.url,
      MANA_DATA_DIR: dataDir,
      MANA_AI_PORT: String(await freePort()),
      MANA_AUTH_PORT: String(await freePort()),
    });
    expect(await served.exited).toBe(1);
    expect(served.output()).not.toContain('ready\n');
    expect(served.output()).toContain('POSTGRES_UNAVAILABLE');
  } finally {
    await gate.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});

/** Lets the commands through and nobody else: they name themselves `mana-edge …`. */
async function refuseWorkers(target: number): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((client) => {
    const upstream = connect({ port: target, host: '127.0.0.1' });
    const end = (): void => void [client.destroy(), upstream.destroy()];
    client.on('data', (bytes: Buffer) => {
      if (/application_name\0mana-a/.test(bytes.toString('latin1'))) return end();
      upstream.write(bytes);
    });
    upstream.on('data', (bytes: Buffer) => client.write(bytes));
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return { port, close: () => new Promise((done) => server.close(() => done())) };
}
