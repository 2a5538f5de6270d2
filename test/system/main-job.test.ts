import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import type { OwnerMission, TickResult } from '../../src/missions/views.ts';
import { dueMission, PAST, runnerRows, writeRecord } from './support/device.ts';
import { waitFor } from './support/runner.ts';
import { useStage } from './support/stage.ts';

const { postgres, llm, runner } = useStage();

async function firstRow(userId: string, recordId: string) {
  return waitFor(
    async () => (await runnerRows(postgres, userId, recordId))[0],
    `a row of ours for ${recordId}`,
  );
}

async function missionView(
  userId: string,
  missionId: string,
): Promise<Record<string, unknown> | undefined> {
  const response = await runner.internal(`/internal/missions/${encodeURIComponent(userId)}`);
  const { missions } = await response.json<{ missions: Record<string, unknown>[] }>();
  return missions.find((mission) => mission['id'] === missionId);
}

describe('a due mission', () => {
  it('is planned on the notification, written back once, and moved to its next time', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'm1', data: dueMission(), spaceId: 'space-1' });
    const row = await firstRow(userId, 'm1');
    expect(row.data.iterations).toHaveLength(1);
    expect(row.data.iterations?.[0]).toMatchObject({
      source: 'server',
      overallStatus: 'awaiting-review',
      plan: [
        {
          status: 'planned',
          intent: { kind: 'toolCall', toolName: 'create_task', params: { title: 'Buy milk' } },
        },
      ],
    });
    expect(new Date(row.data.nextRunAt ?? 0).getTime()).toBeGreaterThan(Date.now());
    expect(Object.values(row.field_meta).map((stamp) => typeof stamp)).toEqual([
      'string',
      'string',
    ]);
    expect(row).toMatchObject({
      origin: 'agent',
      space_id: 'space-1',
      actor: { kind: 'ai', missionId: 'm1' },
    });
    for (let tick = 0; tick < 2; tick += 1) await runner.internal('/internal/tick', 'POST');
    expect(await runnerRows(postgres, userId, 'm1')).toHaveLength(1);
  });

  it('is shown to its owner and to nobody else', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'm1', data: dueMission() });
    await firstRow(userId, 'm1');
    const response = await runner.asUser(userId, '/api/v1/me/missions');
    const mine = await response.json<{ missions: OwnerMission[] }>();
    expect(mine.missions[0]).toMatchObject({ id: 'm1', title: 'Groceries', status: 'scheduled' });
    expect(mine.missions[0]?.iterations).toHaveLength(1);
    const others = await (await runner.asUser(randomUUID(), '/api/v1/me/missions')).json();
    expect(others).toEqual({ missions: [] });
  });

  it('is seen though its transaction began long before it commits, behind others that committed first', async () => {
    const userId = randomUUID();
    const late = new Client({ connectionString: postgres.databaseUrl });
    await late.connect();
    await late.query('begin');
    const lateRow = `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, client_id)
      values ('ai', 'aiMissions', 'late', $1, 'insert', $2, 'test-device')`;
    await late.query(lateRow, [userId, JSON.stringify(dueMission())]);
    // A new user's open transaction must not hold up another insert of that user: the trigger may not wait for it.
    await postgres.query(`set statement_timeout = '1s'`);
    await writeRecord(postgres, { userId, recordId: 'early', data: dueMission() });
    await postgres.query(`reset statement_timeout`);
    await firstRow(userId, 'early');
    expect(await runnerRows(postgres, userId, 'late')).toHaveLength(0);
    await late.query('commit');
    await late.end();
    expect((await firstRow(userId, 'late')).data.iterations).toHaveLength(1);
  });

  it('puts its plaintext goal into the prompt and no record that needs a grant', async () => {
    const userId = randomUUID();
    const secret = `note-${randomUUID()}`;
    await writeRecord(postgres, {
      userId,
      appId: 'companion',
      table: 'companionGoals',
      recordId: 'g',
      data: { title: 'Run a marathon' },
    });
    await writeRecord(postgres, {
      userId,
      appId: 'notes',
      table: 'notes',
      recordId: 'n',
      data: { title: secret, content: secret },
    });
    const inputs = [
      { module: 'goals', table: 'companionGoals', id: 'g' },
      { module: 'notes', table: 'notes', id: 'n' },
    ];
    const objective = `objective-${userId}`;
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission({ inputs, objective }) });
    await firstRow(userId, 'm');
    const prompt =
      llm.requests
        .map(({ body }) => JSON.stringify(body))
        .find((body) => body.includes(objective)) ?? '';
    expect(prompt).toContain('Run a marathon');
    expect(prompt).not.toContain(secret);
  });

  it('whose text is ciphertext never reaches the LLM and shows grant-missing', async () => {
    const userId = randomUUID();
    const objective = `enc:2:1:${randomUUID()}`;
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission({ objective }) });
    const view = await waitFor(() => missionView(userId, 'm'), 'the mission to be known');
    expect(view).toMatchObject({ status: 'waiting', reason: 'grant-missing' });
    expect(JSON.stringify(llm.requests)).not.toContain(objective);
  });

  it('moves to a changed cadence at once, without being run', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, {
      userId,
      recordId: 'm',
      data: dueMission({ nextRunAt: '2030-01-01T00:00:00Z' }),
    });
    await waitFor(() => missionView(userId, 'm'), 'the mission to be known');
    const cadence = { kind: 'interval', everyMinutes: 60 };
    await writeRecord(postgres, { userId, recordId: 'm', op: 'update', data: { cadence } });
    const row = await firstRow(userId, 'm');
    expect(row).toMatchObject({ origin: 'system', actor: { kind: 'system' } });
    expect(Object.keys(row.data)).toEqual(['nextRunAt']);
    expect(new Date(row.data.nextRunAt ?? 0).getTime()).toBeLessThan(Date.now() + 2 * 3_600_000);
  });
});

describe('bad input', () => {
  const cases: [string, Record<string, unknown>, Record<string, unknown>][] = [
    ['an unknown state', { state: 'dancing' }, { status: 'idle', reason: 'invalid-state' }],
    [
      'a nextRunAt that is no date',
      { nextRunAt: 'soon' },
      { status: 'idle', reason: 'invalid-next-run' },
    ],
  ];
  it.each(cases)('%s is shown with its reason and not planned', async (_name, fields, expected) => {
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission(fields) });
    expect(await waitFor(() => missionView(userId, 'm'), 'the mission to be known')).toMatchObject(
      expected,
    );
    expect(await runnerRows(postgres, userId, 'm')).toHaveLength(0);
  });

  const plannable: [string, Record<string, unknown>][] = [
    ['a missing title', { title: null }],
    ['inputs that are no list', { inputs: { not: 'a list' } }],
    ['1 MB of objective', { objective: 'x'.repeat(1_000_000) }],
    [
      '5,000 old iterations',
      {
        iterations: Array.from({ length: 5_000 }, (_, n) => ({
          id: `old-${n}`,
          plan: [],
          source: 'browser',
        })),
      },
    ],
  ];
  it.each(plannable)('%s is ignored and the rest is planned', async (_name, fields) => {
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission(fields) });
    const row = await firstRow(userId, 'm');
    const before = Array.isArray(fields['iterations']) ? fields['iterations'].length : 0;
    expect(row.data.iterations).toHaveLength(before + 1);
  });

  it('a broken cadence lets the mission run once and shows invalid-cadence', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, {
      userId,
      recordId: 'm',
      data: dueMission({ cadence: { kind: 'daily', atHour: 99 } }),
    });
    expect((await firstRow(userId, 'm')).data.nextRunAt).toBeNull();
    const view = await missionView(userId, 'm');
    expect(view).toMatchObject({ status: 'idle', reason: 'invalid-cadence', nextRunAt: null });
  });

  it('rows whose data is an array, and user ids of 9,000 characters, fail no insert and stop nobody', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'array', data: [1, 2, 3] });
    await writeRecord(postgres, { userId: 'u'.repeat(9_000), recordId: 'm', data: dueMission() });
    await writeRecord(postgres, { userId, recordId: 'good', data: dueMission() });
    expect((await firstRow(userId, 'good')).data.iterations).toHaveLength(1);
    expect((await runner.internal(`/internal/missions/${'u'.repeat(9_000)}`)).status).toBe(400);
  });
});

describe('the metrics', () => {
  it('count plans, tokens and calls under the names that dashboards know', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission() });
    await firstRow(userId, 'm');
    const text = await (await runner.get('/metrics')).text();
    for (const sample of [
      /^mana_ai_plans_written_back_total [1-9]/m,
      /^mana_ai_tokens_used_total\{agent_id="legacy:ai-default"\} [1-9]/m,
      /^mana_ai_tool_calls_total\{tool="create_task",policy="propose",outcome="recorded"\} [1-9]/m,
    ]) {
      expect(text).toMatch(sample);
    }
    expect(text).not.toContain(userId);
  });
});

describe('on demand', () => {
  it('a tick answers with its counts', async () => {
    const response = await runner.internal('/internal/tick', 'POST');
    const result = await response.json<TickResult>();
    expect(result).toMatchObject({
      dueMissionCount: 0,
      plansProduced: 0,
      plansWrittenBack: 0,
      parseFailures: 0,
      errors: [],
    });
  });

  it('a mission that a device sets to now by hand runs again', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission() });
    await firstRow(userId, 'm');
    await writeRecord(postgres, { userId, recordId: 'm', op: 'update', data: { nextRunAt: PAST } });
    const rows = await waitFor(async () => {
      const found = await runnerRows(postgres, userId, 'm');
      return found.length === 2 ? found : undefined;
    }, 'the second run');
    expect(rows[1]?.data.iterations).toHaveLength(2);
  });
});
