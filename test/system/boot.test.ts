import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../scripts/migrate.ts';
import { freePort } from '../../scripts/process/free-port.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { SERVICE_KEY, spawnServe, startRunner } from './support/runner.ts';

const PASSWORD = 'hunter2-and-more';
const LLM_URL = 'http://127.0.0.1:9/v1';

let postgres: TestPostgres;
let dataDir: string;
let unmigratedUrl: string;

beforeAll(async () => {
  postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
  await postgres.query('create database unmigrated');
  unmigratedUrl = postgres.databaseUrl.replace(/\/postgres$/, '/unmigrated');
  dataDir = mkdtempSync(`${tmpdir()}/mana-edge-boot-`);
});

afterAll(async () => {
  await postgres?.stop();
  if (dataDir) rmSync(dataDir, { recursive: true, force: true });
});

/** Runs `npm run serve` to its end, with variables that are complete but for what a test changes. */
async function refusal(
  changes: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  const served = spawnServe({
    DATABASE_URL: postgres.databaseUrl,
    MANA_LLM_URL: LLM_URL,
    MANA_DATA_DIR: dataDir,
    MANA_AI_PORT: String(await freePort()),
    MANA_AUTH_PORT: String(await freePort()),
    MANA_CONSOLE_PORT: String(await freePort()),
    ...changes,
  });
  const code = await served.exited;
  return { code, output: served.output() };
}

function expectOneLine(
  { code, output }: { code: number | null; output: string },
  contains: string,
): void {
  expect(code, output).not.toBe(0);
  expect(code).not.toBeNull();
  expect(output.trimEnd().split('\n')).toHaveLength(1);
  expect(output).toContain(contains);
  expect(output).not.toContain(PASSWORD);
  expect(output).not.toContain(new URL(postgres.databaseUrl).password);
}

describe('npm run serve ends with one line that names the variable', () => {
  const cases: [string, Record<string, string>, string][] = [
    ['without DATABASE_URL', { DATABASE_URL: '' }, 'DATABASE_URL'],
    ['without MANA_LLM_URL', { MANA_LLM_URL: '' }, 'MANA_LLM_URL'],
    ['for a concurrency of 0', { MANA_LLM_MAX_CONCURRENCY: '0' }, 'MANA_LLM_MAX_CONCURRENCY'],
    [
      'for a database of another kind',
      { DATABASE_URL: `mysql://u:${PASSWORD}@127.0.0.1/x` },
      'DATABASE_URL',
    ],
    ['for a port that is no number', { MANA_AI_PORT: 'http' }, 'MANA_AI_PORT'],
    [
      'for a switch that is neither true nor false',
      { MANA_AI_TICK_ENABLED: 'maybe' },
      'MANA_AI_TICK_ENABLED',
    ],
    [
      'for an interval with a unit',
      { MANA_AI_TICK_INTERVAL_MS: '60s' },
      'MANA_AI_TICK_INTERVAL_MS',
    ],
    ['for a time zone that does not exist', { MANA_TIME_ZONE: 'Mars/Olympus' }, 'MANA_TIME_ZONE'],
    [
      'for plain http to a remote model',
      { MANA_LLM_URL: 'http://llm.example.com' },
      'MANA_LLM_URL',
    ],
    ['for a key that is no PEM', { MANA_AI_PRIVATE_KEY_PEM: PASSWORD }, 'MANA_AI_PRIVATE_KEY_PEM'],
    ['for a KEK that is too short', { MANA_AUTH_KEK: 'c2hvcnQ=' }, 'MANA_AUTH_KEK'],
    [
      'for a secret whose file cannot be read',
      { MANA_AUTH_KEK_FILE: `/dev/null/${PASSWORD}` },
      'MANA_AUTH_KEK_FILE',
    ],
    ['for a data folder that cannot be made', { MANA_DATA_DIR: '/dev/null/data' }, 'MANA_DATA_DIR'],
    ['for a data folder that cannot be written', { MANA_DATA_DIR: '/proc' }, 'MANA_DATA_DIR'],
  ];
  it.concurrent.each(cases)('%s', async (_name, changes, variable) => {
    expectOneLine(await refusal(changes), variable);
  });
});

describe('npm run serve ends with one line that says what to do', () => {
  it('for a database that was not migrated', async () => {
    expectOneLine(await refusal({ DATABASE_URL: unmigratedUrl }), 'npm run migrate');
  });

  it('for a database that does not answer, without its password', async () => {
    const databaseUrl = `postgres://someone:${PASSWORD}@127.0.0.1:${await freePort()}/x`;
    expectOneLine(await refusal({ DATABASE_URL: databaseUrl }), 'ECONNREFUSED');
  });

  it('for a database that refuses the password, without telling it', async () => {
    const url = new URL(postgres.databaseUrl);
    url.password = PASSWORD;
    expectOneLine(await refusal({ DATABASE_URL: url.href }), 'authentication failed');
  });

  it('for one port that is given to both Workers', async () => {
    const port = String(await freePort());
    expectOneLine(await refusal({ MANA_AI_PORT: port, MANA_AUTH_PORT: port }), 'MANA_AUTH_PORT');
  });

  it.each(['MANA_AI_PORT', 'MANA_AUTH_PORT'])('for a taken port in %s', async (variable) => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    try {
      const { port } = server.address() as AddressInfo;
      const ended = await refusal({ [variable]: String(port) });
      expectOneLine(ended, variable);
      expect(ended.output).toContain(String(port));
    } finally {
      server.close();
    }
  });
});

describe('operator routes', () => {
  const path = `/internal/missions/${randomUUID()}`;

  it('answer 401 to a wrong or missing service key, and 200 to the right one, given as a file', async () => {
    const keyFile = `${dataDir}/service-key`;
    writeFileSync(keyFile, `${SERVICE_KEY}\n`);
    const runner = await startRunner({
      databaseUrl: postgres.databaseUrl,
      llmUrl: LLM_URL,
      environment: { MANA_SERVICE_KEY: '', MANA_SERVICE_KEY_FILE: keyFile },
    });
    try {
      for (const headers of [
        {},
        { 'x-service-key': 'wrong' },
        { 'x-service-key': `${SERVICE_KEY}x` },
      ]) {
        const response = await runner.get(path, headers);
        expect(response.status).toBe(401);
        expect(await response.json()).toMatchObject({ code: 'UNAUTHENTICATED' });
      }
      expect((await runner.get(path, { 'x-service-key': SERVICE_KEY })).status).toBe(200);
    } finally {
      await runner.dispose();
    }
  });

  it('answer 503 while no service key is configured', async () => {
    const environment = { MANA_SERVICE_KEY: '' };
    const runner = await startRunner({
      databaseUrl: postgres.databaseUrl,
      llmUrl: LLM_URL,
      environment,
    });
    try {
      for (const headers of [{}, { 'x-service-key': '' }, { 'x-service-key': SERVICE_KEY }]) {
        const response = await runner.get(path, headers);
        expect(response.status).toBe(503);
        expect(await response.json()).toMatchObject({ code: 'SERVICE_KEY_NOT_CONFIGURED' });
      }
    } finally {
      await runner.dispose();
    }
  });
});
