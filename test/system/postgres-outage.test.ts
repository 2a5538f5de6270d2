import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../../scripts/embedded/embedded-postgres.ts';
import { migrate } from '../../scripts/migrate.ts';
import type { ComponentHealth, InternalMission } from '../../src/missions/views.ts';
import { dueMission, type Log, runnerRows, writeRecord } from './support/device.ts';
import { freePort } from '../../scripts/process/free-port.ts';
import { isSecondRound, type LlmStub, plan, startLlmStub } from './support/llm-stub.ts';
import { type Runner, startRunner, waitFor } from './support/runner.ts';
import { openTcpGate, type TcpGate } from './support/tcp-gate.ts';

/** A first back-off step, and what comes on top of it: a connection's time-out, the next poll, the run itself. */
const RECOVERY_MS = 25_000;

let dataDir: string;
let port: number;
let server: EmbeddedPostgres;
let gate: TcpGate;
let llm: LlmStub;
let runner: Runner;
let client: Client;
const log: Log = {
  query: async (text, values) =>
    (await client.query<Record<string, unknown>>(text, [...(values ?? [])])).rows,
};

beforeEach(async () => {
  dataDir = mkdtempSync(`${tmpdir()}/mana-edge-outage-`);
  port = await freePort();
  server = await startEmbeddedPostgres({ dataDir, port, durable: false });
  await migrate(server.databaseUrl);
  client = await connected(server.databaseUrl);
  gate = await openTcpGate(port);
  llm = await startLlmStub();
  const through = new URL(server.databaseUrl);
  through.port = String(gate.port);
  const environment = { MANA_AI_TICK_INTERVAL_MS: '1000', MANA_LLM_MAX_CONCURRENCY: '2' };
  runner = await startRunner({ databaseUrl: through.href, llmUrl: llm.url, environment });
});

afterEach(async () => {
  await runner?.dispose();
  await llm?.close();
  await gate?.close();
  await client?.end().catch(() => undefined);
  await server?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function connected(databaseUrl: string): Promise<Client> {
  const made = new Client({ connectionString: databaseUrl });
  made.on('error', () => undefined);
  await made.connect();
  return made;
}

async function postgresHealth(): Promise<ComponentHealth & { status: string }> {
  const { status, postgres } = await (
    await runner.get('/health')
  ).json<{ status: string; postgres: ComponentHealth }>();
  return { status, ...postgres };
}

async function missionOf(userId: string): Promise<InternalMission | undefined> {
  const response = await runner.internal(`/internal/missions/${userId}`);
  return (await response.json<{ missions: InternalMission[] }>()).missions[0];
}

async function metric(name: string): Promise<number> {
  const text = await (await runner.get('/metrics')).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

/** A mission that the runner knows of and that falls due in a moment. */
async function knownMission(dueInMs: number): Promise<string> {
  const userId = randomUUID();
  const nextRunAt = new Date(Date.now() + dueInMs).toISOString();
  await writeRecord(log, { userId, recordId: 'm', data: dueMission({ nextRunAt }) });
  await waitFor(() => missionOf(userId), 'the mission to be known');
  return userId;
}

async function expectDown(userId: string, code: RegExp): Promise<void> {
  const mission = await waitFor(
    async () => {
      const known = await missionOf(userId);
      return known?.reason === 'postgres-down' ? known : undefined;
    },
    'the mission to wait for Postgres',
    45_000,
  );
  expect(mission.status).toBe('waiting');
  const health = await waitFor(async () => {
    const seen = await postgresHealth();
    return seen.ok ? undefined : seen;
  }, '/health to tell');
  expect(health.status).toBe('degraded');
  expect(health.error?.code).toMatch(code);
  expect(Date.parse(health.since ?? '')).toBeLessThanOrEqual(Date.now());
  expect(await metric('mana_ai_postgres_down')).toBe(1);
}

async function expectRecovery(userId: string, withinMs = RECOVERY_MS): Promise<void> {
  await waitFor(
    async () => (await runnerRows(log, userId, 'm'))[0],
    'the plan after the outage',
    withinMs,
  );
  await runner.internal('/internal/tick', 'POST');
  expect(await runnerRows(log, userId, 'm')).toHaveLength(1);
  expect(
    await waitFor(async () => ((await postgresHealth()).ok ? true : undefined), '/health to be ok'),
  ).toBe(true);
  expect(await metric('mana_ai_postgres_down')).toBe(0);
}

describe('a Postgres that', () => {
  it('refuses connections makes missions wait, tested by one at a time, and is used again when it is back', async () => {
    const users = await Promise.all(Array.from({ length: 12 }, () => knownMission(4_000)));
    await gate.refuse();
    await expectDown(users[0]!, /^POSTGRES_UNAVAILABLE$/);
    const errors = await metric('mana_ai_postgres_errors_total\\{code="POSTGRES_UNAVAILABLE"\\}');
    const ticks = await metric('mana_ai_ticks_total');
    // Twelve are due. Those who were admitted before anybody knew, and then one for each step of the back-off.
    expect(ticks).toBeLessThanOrEqual(6 + 3);
    expect(errors).toBeGreaterThan(0);
    expect(llm.requests).toHaveLength(0);
    gate.open();
    for (const userId of users) await expectRecovery(userId);
  });

  it('swallows what it is sent makes missions wait likewise, and /health still answers within two seconds', async () => {
    const userId = await knownMission(2_000);
    gate.swallow();
    await expectDown(userId, /^POSTGRES_(UNAVAILABLE|TIMEOUT|BUSY)$/);
    const askedMs = Date.now();
    expect((await postgresHealth()).ok).toBe(false);
    expect(Date.now() - askedMs).toBeLessThan(2_000);
    gate.open();
    await expectRecovery(userId, 45_000);
  });

  it('has no connection left for us', async () => {
    const userId = await knownMission(3_000);
    const [row] = await log.query('show max_connections');
    const greedy: Client[] = [];
    // As superuser, so that the reserved ones go as well; ours are ended as soon as the others wait for them.
    const terminate = () =>
      log.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'mana-ai%'`,
      );
    for (let n = 0; n < Number(row?.['max_connections']) + 10; n += 1) {
      const one = await connected(server.databaseUrl).catch(() => undefined);
      if (one !== undefined) greedy.push(one);
      else await terminate();
    }
    await expectDown(userId, /^POSTGRES_UNAVAILABLE$/);
    for (const one of greedy) await one.end();
    await expectRecovery(userId);
  });

  it('takes no writes keeps what was planned and paid for', async () => {
    const [database] = await log.query('select current_database() as name');
    const name = String(database?.['name']);
    const userId = await knownMission(3_000);
    const gateOfLlm = Promise.withResolvers<void>();
    llm.behave(async (body) => {
      if (isSecondRound(body)) await gateOfLlm.promise;
      return plan(body);
    });
    await waitFor(
      () => llm.requests.find(({ body }) => isSecondRound(body)),
      'the second round',
      30_000,
    );
    await log.query(`alter database ${name} set default_transaction_read_only = on`);
    await log.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'mana-ai%'`,
    );
    gateOfLlm.resolve();
    await expectDown(userId, /^POSTGRES_READ_ONLY$/);
    await log.query(`alter database ${name} reset default_transaction_read_only`);
    await log.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'mana-ai%'`,
    );
    await expectRecovery(userId);
    expect(llm.requests).toHaveLength(2);
  });

  it('is stopped and started under load loses nothing and is asked for nothing twice', async () => {
    llm.latencyMs = 100;
    const users = await Promise.all(Array.from({ length: 20 }, () => knownMission(3_000)));
    await waitFor(() => (llm.requests.length >= 8 ? true : undefined), 'some rounds', 30_000);
    await client.end();
    await server.stop();
    await waitFor(async () => ((await postgresHealth()).ok ? undefined : true), '/health to tell');
    server = await startEmbeddedPostgres({ dataDir, port, durable: false });
    client = await connected(server.databaseUrl);
    for (const userId of users) await expectRecovery(userId, 60_000);
    expect(llm.requests).toHaveLength(2 * users.length);
  });
});
