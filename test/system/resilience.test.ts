import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { migrate } from '../../scripts/migrate.ts';
import type { InternalMission, TickResult } from '../../src/missions/views.ts';
import { dueMission, type Log, PAST, runnerRows, writeRecord } from './support/device.ts';
import {
  type Behaviour,
  type ChatBody,
  isSecondRound,
  type LlmStub,
  plan,
  startLlmStub,
} from './support/llm-stub.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { type Runner, startRunner, waitFor } from './support/runner.ts';

let postgres: TestPostgres;

/** A migrated database that each test copies. */
const TEMPLATE = 'migrated';

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.query(`create database ${TEMPLATE}`);
  await migrate(urlOf(TEMPLATE));
});

afterAll(async () => {
  await postgres?.stop();
});

function urlOf(database: string): string {
  const url = new URL(postgres.databaseUrl);
  url.pathname = `/${database}`;
  return url.href;
}

type Stage = { runner: Runner; llm: LlmStub; log: Log };

/** A runner with a database and an LLM of its own, all gone when the test ends. */
async function stage(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  environment: Record<string, string> = {},
): Promise<Stage> {
  const database = `test_${randomUUID().replaceAll('-', '')}`;
  await copyTemplate(database);
  const client = new Client({ connectionString: urlOf(database) });
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => client.end());
  const llm = await startLlmStub();
  onTestFinished(() => llm.close());
  const runner = await startRunner({ databaseUrl: urlOf(database), llmUrl: llm.url, environment });
  onTestFinished(() => runner.dispose());
  const query: Log['query'] = async (text, values) => {
    const { rows } = await client.query<Record<string, unknown>>(
      text,
      values === undefined ? [] : [...values],
    );
    return rows;
  };
  return { runner, llm, log: { query } };
}

let copies: Promise<unknown> = Promise.resolve();

/** One copy at a time: a template that is being copied cannot be copied. */
function copyTemplate(database: string): Promise<unknown> {
  copies = copies.then(() => postgres.query(`create database ${database} template ${TEMPLATE}`));
  return copies;
}

async function firstRow({ log }: Stage, userId: string, recordId = 'm') {
  return waitFor(
    async () => (await runnerRows(log, userId, recordId))[0],
    `a row of ours for ${recordId}`,
    30_000,
  );
}

async function rowCount({ log }: Stage): Promise<number> {
  const [row] = await log.query(
    `select count(*)::int as n from sync_changes where client_id = 'mana-ai-runner'`,
  );
  return Number(row?.['n']);
}

async function missionOf(
  { runner }: Stage,
  userId: string,
  missionId = 'm',
): Promise<InternalMission | undefined> {
  const response = await runner.internal(`/internal/missions/${userId}`);
  const { missions } = await response.json<{ missions: InternalMission[] }>();
  return missions.find(({ id }) => id === missionId);
}

async function untilReason(
  on: Stage,
  userId: string,
  reason: string,
  missionId = 'm',
): Promise<InternalMission> {
  return waitFor(async () => {
    const mission = await missionOf(on, userId, missionId);
    return mission?.reason === reason ? mission : undefined;
  }, `${missionId} to show ${reason}`);
}

type Health = {
  status: string;
  postgres: { ok: boolean };
  llm: { ok: boolean; since?: string; error?: { code: string; message: string } };
  tick: { queued: number; running: number };
};

async function healthOf({ runner }: Stage): Promise<Health> {
  const response = await runner.get('/health');
  expect(response.status).toBe(200);
  return response.json<Health>();
}

async function tick({ runner }: Stage): Promise<TickResult> {
  const response = await runner.internal('/internal/tick', 'POST');
  return response.json<TickResult>();
}

/** Every run has ended and nothing is due. */
async function untilQuiet(on: Stage): Promise<void> {
  await waitFor(async () => {
    const health = await healthOf(on);
    return health.tick.running === 0 && health.tick.queued === 0 ? true : undefined;
  }, 'the runner to be quiet');
}

/** Holds the answers to the requests that match, until it is opened. */
function hold(
  { llm }: Stage,
  matches: (body: ChatBody) => boolean,
): { arrived(): Promise<unknown>; open(): void } {
  const gate = Promise.withResolvers<void>();
  llm.behave(async (body) => {
    if (matches(body)) await gate.promise;
    return plan(body);
  });
  return {
    arrived: () => waitFor(() => llm.requests.find(({ body }) => matches(body)), 'the LLM call'),
    open: gate.resolve,
  };
}

function countOf({ llm }: Stage, matches: (body: ChatBody) => boolean): number {
  return llm.requests.filter(({ body }) => matches(body)).length;
}

function mentions(text: string): (body: ChatBody) => boolean {
  return (body) => JSON.stringify(body.messages).includes(text);
}

const isFirstRound = (body: ChatBody): boolean => !isSecondRound(body);

describe('a runner that is killed', () => {
  it('while the second LLM call is in flight: one row, the first round is not repeated, at most one call is paid twice', async (test) => {
    const on = await stage(test);
    const held = hold(on, isSecondRound);
    const userId = randomUUID();
    await writeRecord(on.log, { userId, recordId: 'm', data: dueMission() });
    await held.arrived();
    await on.runner.kill();
    held.open();
    await on.runner.restart();
    await firstRow(on, userId);
    await tick(on);
    expect(await rowCount(on)).toBe(1);
    expect(countOf(on, isFirstRound)).toBe(1);
    expect(countOf(on, isSecondRound)).toBe(2);
  });

  it('finds at its next start what was written meanwhile, without waiting for the poll', async (test) => {
    const on = await stage(test);
    const [before, meanwhile] = [randomUUID(), randomUUID()];
    await writeRecord(on.log, { userId: before, recordId: 'm', data: dueMission() });
    await firstRow(on, before);
    await on.runner.kill();
    await writeRecord(on.log, { userId: meanwhile, recordId: 'm', data: dueMission() });
    await on.runner.restart();
    await firstRow(on, meanwhile);
    expect(await rowCount(on)).toBe(2);
  });

  it('by its command alone: the next start ends the workerd that was left behind', async (test) => {
    const on = await stage(test);
    await on.runner.killCommandOnly();
    await on.runner.restart();
    const userId = randomUUID();
    await writeRecord(on.log, { userId, recordId: 'm', data: dueMission() });
    await firstRow(on, userId);
  });

  it('again and again, at any point: one row for each mission', async (test) => {
    const on = await stage(test, {
      MANA_LLM_MAX_CONCURRENCY: '2',
      MANA_AI_TICK_INTERVAL_MS: '1000',
    });
    on.llm.latencyMs = 20;
    const users = Array.from({ length: 6 }, () => randomUUID());
    const missions = users.flatMap((userId) => [
      { userId, recordId: 'a' },
      { userId, recordId: 'b' },
    ]);
    for (const mission of missions) await writeRecord(on.log, { ...mission, data: dueMission() });
    const random = seeded(20_261_124);
    for (let kill = 0; kill < 4; kill += 1) {
      await untilProgress(on, random, missions.length);
      await on.runner.kill();
      await on.runner.restart();
    }
    for (const { userId, recordId } of missions) await firstRow(on, userId, recordId);
    await untilQuiet(on);
    await tick(on);
    for (const { userId, recordId } of missions)
      expect(await runnerRows(on.log, userId, recordId)).toHaveLength(1);
    // Two calls a mission, and at most one in flight for each permit at each kill.
    expect(on.llm.requests.length).toBeLessThanOrEqual(2 * missions.length + 4 * 2);
  });

  it('and whose data folder is deleted: nothing is planned again, and the sweep finds what is due', async (test) => {
    const on = await stage(test);
    const userId = randomUUID();
    const planned = `objective-${randomUUID()}`;
    await writeRecord(on.log, {
      userId,
      recordId: 'planned',
      data: dueMission({ objective: planned }),
    });
    await firstRow(on, userId, 'planned');
    await on.runner.kill();
    for (const name of readdirSync(on.runner.dataDir))
      rmSync(`${on.runner.dataDir}/${name}`, { recursive: true });
    await writeRecord(on.log, { userId, recordId: 'due', data: dueMission() });
    await on.log.query('truncate mana_ai.change_outbox');
    await on.runner.restart();
    await firstRow(on, userId, 'due');
    await untilQuiet(on);
    await tick(on);
    expect(await rowCount(on)).toBe(2);
    expect(countOf(on, mentions(planned))).toBe(2);
  });
});

/** The minimal standard generator, in [0, 1). */
function seeded(seed: number): () => number {
  let state = seed % 2_147_483_647;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** Until a few more calls came in, or a few more rows were written, or all is done. */
async function untilProgress(on: Stage, random: () => number, all: number): Promise<void> {
  const calls = on.llm.requests.length + 1 + Math.floor(random() * 4);
  const rows = (await rowCount(on)) + 1 + Math.floor(random() * 2);
  const byRows = random() < 0.5;
  await waitFor(async () => {
    const written = await rowCount(on);
    return written === all || (byRows ? written >= rows : on.llm.requests.length >= calls)
      ? true
      : undefined;
  }, 'progress');
}

describe.concurrent('an LLM that fails', () => {
  const failures: [string, Behaviour, number][] = [
    ['answers 500', { status: 500 }, 4_000],
    ['answers 429 with Retry-After', { status: 429, retryAfterSeconds: 6 }, 6_000],
    ['hangs for longer than MANA_LLM_TIMEOUT_MS', 'hang', 4_000],
    ['breaks off its answer', 'half-body', 4_000],
  ];
  it.for(failures)(
    'and %s makes missions wait, and is used again when it is back',
    async ([, failure, waitsMs], test) => {
      const on = await stage(test, { MANA_LLM_TIMEOUT_MS: '2000' });
      on.llm.behave(failure);
      const userId = randomUUID();
      await writeRecord(on.log, { userId, recordId: 'm', data: dueMission() });
      await expectOutage(on, userId);
      const failed = on.llm.requests.length;
      on.llm.behave('plan');
      await expectRecovery(on, userId);
      const [last, next] = on.llm.requests.slice(failed - 1).map(({ atMs }) => atMs);
      expect((next ?? 0) - (last ?? 0)).toBeGreaterThanOrEqual(waitsMs);
      expect(on.llm.requests).toHaveLength(failed + 2);
    },
  );

  it('and refuses connections makes missions wait, and is used again when it is back', async (test) => {
    const on = await stage(test);
    await on.llm.close();
    const userId = randomUUID();
    await writeRecord(on.log, { userId, recordId: 'm', data: dueMission() });
    await expectOutage(on, userId);
    const back = await startLlmStub(on.llm.port);
    test.onTestFinished(() => back.close());
    await expectRecovery(on, userId);
    expect(back.requests).toHaveLength(2);
  });

  it('with garbage for one mission alone holds up that mission alone', async (test) => {
    const on = await stage(test);
    on.llm.behave((body) =>
      mentions('garbage please')(body) ? '<html>a proxy says hello</html>' : plan(body),
    );
    const userId = randomUUID();
    await writeRecord(on.log, {
      userId,
      recordId: 'bad',
      data: dueMission({ objective: 'garbage please' }),
    });
    expect(await untilReason(on, userId, 'back-off', 'bad')).toMatchObject({ status: 'waiting' });
    await writeRecord(on.log, { userId, recordId: 'good', data: dueMission() });
    await firstRow(on, userId, 'good');
    expect(await runnerRows(on.log, userId, 'bad')).toHaveLength(0);
    expect((await healthOf(on)).llm.ok).toBe(true);
    on.llm.behave('plan');
    await firstRow(on, userId, 'bad');
    expect(await rowCount(on)).toBe(2);
  });
});

describe('a restart', () => {
  it('tests at once what was away, however long the wait was to be', async (test) => {
    const on = await stage(test);
    const userId = randomUUID();
    on.llm.behave({ status: 429, retryAfterSeconds: 3_600 });
    await writeRecord(on.log, { userId, recordId: 'm', data: dueMission() });
    await untilReason(on, userId, 'llm-down');
    await on.runner.stop();
    on.llm.behave('plan');
    await on.runner.restart();
    await firstRow(on, userId);
  });
});

describe('a mission for which the LLM always hangs', () => {
  it('holds up neither the other missions of its person nor those of others', async (test) => {
    const on = await stage(test, { MANA_LLM_TIMEOUT_MS: '1000' });
    on.llm.behave(async (body) =>
      mentions('hang please')(body) ? new Promise(() => undefined) : plan(body),
    );
    const [userId, other] = [randomUUID(), randomUUID()];
    await writeRecord(on.log, {
      userId,
      recordId: 'a-bad',
      data: dueMission({ objective: 'hang please' }),
    });
    await waitFor(
      () => (countOf(on, mentions('hang please')) > 0 ? true : undefined),
      'the call that hangs',
    );
    // Due later than the bad one: they would stand behind it for ever if its turn came first each time.
    for (const recordId of ['b', 'c'])
      await writeRecord(on.log, { userId, recordId, data: dueMission() });
    await writeRecord(on.log, { userId: other, recordId: 'm', data: dueMission() });
    await firstRow(on, userId, 'b');
    await firstRow(on, userId, 'c');
    await firstRow(on, other);
    expect(await runnerRows(on.log, userId, 'a-bad')).toHaveLength(0);
    // Others were answered in between: it is counted against the mission, and an outage for nobody.
    await untilReason(on, userId, 'back-off', 'a-bad');
    expect(await healthOf(on)).toMatchObject({ status: 'ok' });
  });
});

async function expectOutage(on: Stage, userId: string): Promise<void> {
  expect(await untilReason(on, userId, 'llm-down')).toMatchObject({ status: 'waiting' });
  const health = await healthOf(on);
  expect(health).toMatchObject({ status: 'degraded', postgres: { ok: true }, llm: { ok: false } });
  expect(Date.parse(health.llm.since ?? '')).toBeLessThanOrEqual(Date.now());
  expect(health.llm.error?.code).toMatch(/^LLM_/);
  expect(await rowCount(on)).toBe(0);
}

async function expectRecovery(on: Stage, userId: string): Promise<void> {
  await firstRow(on, userId);
  await untilQuiet(on);
  await tick(on);
  expect(await rowCount(on)).toBe(1);
  expect(await healthOf(on)).toMatchObject({ status: 'ok', llm: { ok: true } });
}

describe('a Postgres that ends every connection', () => {
  it('is listened to and written to again', async (test) => {
    const on = await stage(test, { MANA_AI_TICK_INTERVAL_MS: '1000' });
    const [before, after] = [randomUUID(), randomUUID()];
    await writeRecord(on.log, { userId: before, recordId: 'm', data: dueMission() });
    await firstRow(on, before);
    const listener = await waitFor(() => listenerPid(on), 'a listener');
    const others = 'datname = current_database() and pid <> pg_backend_pid()';
    await on.log.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${others}`);
    await waitFor(async () => {
      const pid = await listenerPid(on);
      return pid !== undefined && pid !== listener ? pid : undefined;
    }, 'another listener');
    await writeRecord(on.log, { userId: after, recordId: 'm', data: dueMission() });
    await firstRow(on, after);
    expect(await rowCount(on)).toBe(2);
    expect(await healthOf(on)).toMatchObject({ status: 'ok', postgres: { ok: true } });
  });
});

async function listenerPid({ log }: Stage): Promise<unknown> {
  const [row] = await log.query(
    `select pid from pg_stat_activity where datname = current_database() and query ilike 'listen %'`,
  );
  return row?.['pid'];
}

describe('with ticks disabled', () => {
  it('nothing runs by itself; a tick on demand runs what is due, and a second one beside it is refused', async (test) => {
    const on = await stage(test, { MANA_AI_TICK_ENABLED: 'false' });
    const held = hold(on, isFirstRound);
    const userId = randomUUID();
    await writeRecord(on.log, { userId, recordId: 'm', data: dueMission() });
    await waitFor(() => missionOf(on, userId), 'the mission to be known');
    await on.runner.stop();
    await on.runner.restart();
    expect(on.llm.requests).toHaveLength(0);
    const first = tick(on);
    await held.arrived();
    expect(await tick(on)).toMatchObject({
      dueMissionCount: 0,
      plansProduced: 0,
      errors: ['overlap-skipped'],
    });
    held.open();
    expect(await first).toMatchObject({
      dueMissionCount: 1,
      plansProduced: 1,
      plansWrittenBack: 1,
      parseFailures: 0,
      errors: [],
    });
    expect(await runnerRows(on.log, userId, 'm')).toHaveLength(1);
  });

  it('one user with twenty due missions does not keep another one waiting to the end', async (test) => {
    const on = await stage(test, { MANA_AI_TICK_ENABLED: 'false' });
    const [many, single] = [randomUUID(), randomUUID()];
    for (let n = 0; n < 20; n += 1) {
      const objective = `objective of ${many}`;
      await writeRecord(on.log, {
        userId: many,
        recordId: `m${n}`,
        data: dueMission({ objective }),
      });
    }
    // Due later than all others: only fairness brings it forward.
    const later = dueMission({
      objective: `objective of ${single}`,
      nextRunAt: '2026-02-01T00:00:00.000Z',
    });
    await writeRecord(on.log, { userId: single, recordId: 'm', data: later });
    expect(await tick(on)).toMatchObject({ dueMissionCount: 21, plansWrittenBack: 21, errors: [] });
    const order = on.llm.requests.filter(({ body }) => isFirstRound(body));
    const position = order.findIndex(({ body }) => mentions(`objective of ${single}`)(body));
    expect(position).toBeGreaterThanOrEqual(0);
    expect(position).toBeLessThan(5);
  });
});

describe('with thirty users due at once', () => {
  it('no more than MANA_LLM_MAX_CONCURRENCY calls are open at any time', async (test) => {
    const on = await stage(test, {
      MANA_LLM_MAX_CONCURRENCY: '2',
      MANA_AI_TICK_INTERVAL_MS: '1000',
    });
    on.llm.latencyMs = 20;
    const users = Array.from({ length: 30 }, () => randomUUID());
    for (const userId of users)
      await writeRecord(on.log, { userId, recordId: 'm', data: dueMission() });
    for (const userId of users) await firstRow(on, userId);
    expect(on.llm.maxConcurrent()).toBe(2);
    expect(await rowCount(on)).toBe(30);
  });
});

describe('SIGTERM', () => {
  it('ends the command with code 0 when idle, and it starts again', async (test) => {
    const on = await stage(test);
    expect(await on.runner.stop()).toBe(0);
    await on.runner.restart();
    expect(await healthOf(on)).toMatchObject({ status: 'ok' });
  });

  it('during a run waits for its checkpoint; the next start goes on from there', async (test) => {
    const on = await stage(test);
    const held = hold(on, isFirstRound);
    const userId = randomUUID();
    await writeRecord(on.log, { userId, recordId: 'm', data: dueMission() });
    await held.arrived();
    const stopped = on.runner.stop();
    held.open();
    expect(await stopped).toBe(0);
    await on.runner.restart();
    await firstRow(on, userId);
    expect(await rowCount(on)).toBe(1);
    expect(on.llm.requests.map(({ body }) => isSecondRound(body))).toEqual([false, true]);
  });
});

describe('a mission that changes while its LLM call runs', () => {
  it('paused: gets the iteration and keeps its nextRunAt', async (test) => {
    const on = await stage(test);
    const held = hold(on, isFirstRound);
    const userId = randomUUID();
    await writeRecord(on.log, { userId, recordId: 'm', data: dueMission() });
    await held.arrived();
    await writeRecord(on.log, { userId, recordId: 'm', op: 'update', data: { state: 'paused' } });
    held.open();
    const row = await firstRow(on, userId);
    expect(row.data.iterations).toHaveLength(1);
    expect(row.data).not.toHaveProperty('nextRunAt');
    await untilQuiet(on);
    expect(await missionOf(on, userId)).toMatchObject({
      state: 'paused',
      nextRunAt: PAST,
      status: 'idle',
    });
    expect(await rowCount(on)).toBe(1);
  });

  it('deleted: gets nothing', async (test) => {
    const on = await stage(test);
    const held = hold(on, isFirstRound);
    const userId = randomUUID();
    await writeRecord(on.log, { userId, recordId: 'm', data: dueMission() });
    await held.arrived();
    await writeRecord(on.log, { userId, recordId: 'm', op: 'delete', data: {} });
    held.open();
    await untilQuiet(on);
    expect(await missionOf(on, userId)).toBeUndefined();
    expect(await rowCount(on)).toBe(0);
  });
});

describe('a mission that an open tab runs', () => {
  it('waits with foreground-running', async (test) => {
    const on = await stage(test);
    const userId = randomUUID();
    const startedAt = new Date().toISOString();
    const iterations = [
      { id: 'tab', source: 'browser', overallStatus: 'running', startedAt, plan: [] },
    ];
    await writeRecord(on.log, { userId, recordId: 'm', data: dueMission({ iterations }) });
    expect(await untilReason(on, userId, 'foreground-running')).toMatchObject({
      status: 'waiting',
      nextRunAt: PAST,
    });
    expect(await tick(on)).toMatchObject({ dueMissionCount: 0, plansProduced: 0 });
    expect(on.llm.requests).toHaveLength(0);
  });
});
