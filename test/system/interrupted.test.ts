import { readdirSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import type { InternalMission, OwnerMission, TickResult } from '../../src/missions/views.ts';
import { dueMission, PAST, runnerRows, writeRecord } from './support/device.ts';
import { isSecondRound, plan } from './support/llm-stub.ts';
import { grantKeys, Person } from './support/person.ts';
import { waitFor } from './support/runner.ts';
import { useStage } from './support/stage.ts';

const stage = useStage({ environment: grantKeys });
const { postgres, llm, runner } = stage;

async function firstRow(userId: string, withinMs = 20_000) {
  return waitFor(
    async () => (await runnerRows(postgres, userId, 'm'))[0],
    'a row of ours',
    withinMs,
  );
}

async function untilBackOff(userId: string): Promise<void> {
  await waitFor(async () => {
    const response = await runner.internal(`/internal/missions/${userId}`);
    const { missions } = await response.json<{ missions: InternalMission[] }>();
    return missions[0]?.reason === 'back-off' || undefined;
  }, 'the mission to back off');
}

async function tick(): Promise<TickResult> {
  return (await runner.internal('/internal/tick', 'POST')).json<TickResult>();
}

/** Objects of one class on the disk. */
function folderOf(objects: string): string {
  return `${runner.dataDir}/mana-ai-objects/mana-ai-${objects}`;
}

/** As if the missions that failed had done so six times by now, and their back-off were over. */
function giveUpPatience(): void {
  const files = readdirSync(folderOf('UserMissions')).filter((file) =>
    /^[0-9a-f]{64}\.sqlite$/.test(file),
  );
  for (const name of files) {
    const database = new DatabaseSync(`${folderOf('UserMissions')}/${name}`);
    const known = database.prepare(`select 1 from sqlite_master where name = 'attempts'`).all();
    if (known.length > 0) database.exec('update attempts set failures = 6, retry_at_ms = 0');
    database.close();
  }
  const agenda = readdirSync(folderOf('Dispatcher')).find((file) =>
    /^[0-9a-f]{64}\.sqlite$/.test(file),
  );
  const database = new DatabaseSync(`${folderOf('Dispatcher')}/${agenda}`);
  database.exec('update agenda set due_ms = 0, ready_ms = 0');
  database.close();
}

function callsWith(text: string): boolean[] {
  return llm.requests
    .filter(({ body }) => JSON.stringify(body.messages).includes(text))
    .map(({ body }) => isSecondRound(body));
}

describe('a tick on demand whose client has gone', () => {
  it('does not refuse those that follow', async () => {
    const gate = Promise.withResolvers<void>();
    llm.behave(async (body) => {
      await gate.promise;
      return plan(body);
    });
    await writeRecord(postgres, { userId: randomUUID(), recordId: 'm', data: dueMission() });
    await waitFor(() => llm.requests[0], 'a run under way');
    const headers = { 'x-service-key': 'test-service-key' };
    const given = fetch(`${runner.url}/internal/tick`, {
      method: 'POST',
      headers,
      signal: AbortSignal.timeout(1_000),
    });
    await expect(given).rejects.toThrow('timeout');
    gate.resolve();
    const answer = await waitFor(
      async () => {
        const { errors } = await tick();
        return errors.includes('overlap-skipped') ? undefined : errors;
      },
      'a tick that is not refused',
      20_000,
    );
    expect(answer).toEqual([]);
  });
});

describe('a runner that lost its list of alarms alone', () => {
  it('runs at its time what was known before', async () => {
    llm.behave('plan');
    const userId = randomUUID();
    const dueMs = Date.now() + 15_000;
    const data = dueMission({ nextRunAt: new Date(dueMs).toISOString() });
    await writeRecord(postgres, { userId, recordId: 'm', data });
    await waitFor(async () => {
      const response = await runner.internal(`/internal/missions/${userId}`);
      return (await response.text()).includes('"scheduled"') || undefined;
    }, 'the mission to be known');
    await tick();
    await runner.kill();
    for (const name of readdirSync(folderOf('Dispatcher'))) {
      if (name.startsWith('metadata.')) rmSync(`${folderOf('Dispatcher')}/${name}`);
    }
    await runner.restart();
    const row = await firstRow(userId, 60_000);
    expect(row.created_at.getTime() - dueMs).toBeLessThan(10_000);
  });
});

describe('a mission that failed six times', () => {
  it('because the model talks nonsense gets one failed iteration that says so, and its next time', async () => {
    llm.behave('not-json');
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission() });
    await untilBackOff(userId);
    await runner.stop();
    giveUpPatience();
    await runner.restart();
    const { data } = await firstRow(userId);
    llm.behave('plan');
    expect(data.iterations).toMatchObject([
      {
        overallStatus: 'failed',
        plan: [],
        errorDetails: { message: expect.stringMatching(/MANA_LLM_URL/) },
      },
    ]);
    expect(Date.parse(data.nextRunAt ?? '')).toBeGreaterThan(Date.now());
    const own = await (
      await runner.asUser(userId, '/api/v1/me/missions')
    ).json<{ missions: OwnerMission[] }>();
    const fates = own.missions[0]?.occurrences.map(({ fate }) => fate) ?? [];
    expect(fates.filter((fate) => fate !== 'merged')).toEqual(['failed']);
    await tick();
    expect(await runnerRows(postgres, userId, 'm')).toHaveLength(1);
  });

  it('because PostgreSQL took no row keeps the plan that was paid for, and writes it once it does', async () => {
    const objective = `Paid for ${randomUUID()}`;
    llm.behave(async (body) => {
      if (isSecondRound(body))
        await postgres.query('revoke insert on sync_changes from mana_ai_runner');
      return plan(body);
    });
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission({ objective }) });
    await untilBackOff(userId);
    await runner.stop();
    llm.behave('plan');
    await postgres.query('grant insert on sync_changes to mana_ai_runner');
    giveUpPatience();
    await runner.restart();
    expect((await firstRow(userId)).data.iterations).toMatchObject([
      { overallStatus: 'awaiting-review' },
    ]);
    expect(callsWith(objective)).toEqual([false, true]);
  });
});

describe('a granted run whose grant cannot be looked up after a call', () => {
  it('keeps the answer, and does not pay for it again', async () => {
    const person = new Person(postgres, stage.environment);
    const objective = `Looked up later ${randomUUID()}`;
    llm.behave(async (body) => {
      if (!isSecondRound(body))
        await postgres.query('revoke select on mana_auth.grant_uses from mana_ai_runner');
      return plan(body);
    });
    const grant = await person.mint('m');
    await person.writeMission('m', dueMission({ objective, grant, nextRunAt: PAST }));
    await untilBackOff(person.userId);
    llm.behave('plan');
    await postgres.query('grant select on mana_auth.grant_uses to mana_ai_runner');
    await firstRow(person.userId, 30_000);
    expect(callsWith(objective)).toEqual([false, true]);
  });
});

async function listeners(): Promise<number[]> {
  const found = await postgres.query(
    `select pid from pg_stat_activity where application_name = 'mana-ai-listen' and state is not null order by pid`,
  );
  return found.map(({ pid }) => Number(pid));
}

describe('a listening connection that does not answer', () => {
  it('is closed before another one takes its place', async () => {
    await runner.stop();
    await runner.restart({ MANA_AI_TICK_INTERVAL_MS: '1000' });
    const [silent] = await waitFor(
      async () => ((await listeners()).length === 1 ? listeners() : undefined),
      'one',
    );
    process.kill(silent ?? 0, 'SIGSTOP');
    try {
      await waitFor(
        async () => ((await listeners()).length > 1 ? true : undefined),
        'another listener',
        30_000,
      );
    } finally {
      process.kill(silent ?? 0, 'SIGCONT');
    }
    await waitFor(
      async () => (!(await listeners()).includes(silent ?? 0) ? true : undefined),
      'the first to end',
    );
    expect(await listeners()).toHaveLength(1);
  });
});
