import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { dueMission, runnerRows, writeRecord } from './support/device.ts';
import { waitFor } from './support/runner.ts';
import { useStage } from './support/stage.ts';

const { postgres, llm, runner } = useStage();

async function firstRow(userId: string, recordId: string) {
  return waitFor(
    async () => (await runnerRows(postgres, userId, recordId))[0],
    `a row of ours for ${recordId}`,
  );
}

async function missionsOf(userId: string): Promise<Record<string, unknown>[]> {
  const response = await runner.internal(`/internal/missions/${userId}`);
  return (await response.json<{ missions: Record<string, unknown>[] }>()).missions;
}

describe('one bad row', () => {
  it('with a created_at of infinity stops neither its user nor anybody else', async () => {
    const [odd, other] = [randomUUID(), randomUUID()];
    await postgres.query(
      `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, client_id, created_at)
       values ('ai', 'aiMissions', 'odd', $1, 'insert', '{"title": "x"}', 'test-device', 'infinity')`,
      [odd],
    );
    await writeRecord(postgres, { userId: odd, recordId: 'm', data: dueMission() });
    await writeRecord(postgres, { userId: other, recordId: 'm', data: dueMission() });
    await firstRow(odd, 'm');
    await firstRow(other, 'm');
  });

  it('of 40 MB stops nobody else', async () => {
    const [big, other] = [randomUUID(), randomUUID()];
    await postgres.query(
      `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, client_id)
       values ('ai', 'aiMissions', 'big', $1, 'insert', jsonb_build_object('objective', repeat('x', 40000000)), 'test-device')`,
      [big],
    );
    await writeRecord(postgres, { userId: other, recordId: 'm', data: dueMission() });
    await firstRow(other, 'm');
    await waitFor(
      async () => (await missionsOf(big)).find(({ id }) => id === 'big'),
      'the big mission to be shown',
    );
  });

  it('that is the only one of its mission shows the mission as invalid', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'array', data: [1, 2] });
    const shown = await waitFor(
      async () => (await missionsOf(userId))[0],
      'the mission to be shown',
    );
    expect(shown).toMatchObject({ id: 'array', status: 'idle', reason: 'invalid-state' });
  });
});

describe('a long history', () => {
  it('of a record that a mission reads, and of the mission itself, is read to its end', async () => {
    const userId = randomUUID();
    const many = `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, client_id, created_at)
      select $1, $2, $3, $4, 'update', jsonb_build_object($5::text, $6 || n), 'test-device', now() - (2000 - n) * interval '1 second'
      from generate_series(1, 1250) n`;
    await postgres.query(many, [
      'companion',
      'companionGoals',
      'g',
      userId,
      'title',
      `goal-${userId}-`,
    ]);
    const inputs = [{ module: 'goals', table: 'companionGoals', id: 'g' }];
    const data = dueMission({ inputs, state: 'paused' });
    await writeRecord(postgres, { userId, recordId: 'm', data });
    await postgres.query(many, [
      'ai',
      'aiMissions',
      'm',
      userId,
      'objective',
      `objective-${userId}-`,
    ]);
    // Six pages by their rows, and more by their size.
    await postgres.query(
      `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, client_id, created_at)
       select 'ai', 'aiMissions', 'm', $1, 'update', jsonb_build_object('notes', repeat('x', 1500000)), 'test-device', now() - n * interval '1 second'
       from generate_series(1, 5) n`,
      [userId],
    );
    await writeRecord(postgres, {
      userId,
      recordId: 'm',
      op: 'update',
      data: { objective: userId, state: 'active' },
    });
    await firstRow(userId, 'm');
    const prompt =
      llm.requests.map(({ body }) => JSON.stringify(body)).find((text) => text.includes(userId)) ??
      '';
    expect(prompt).toContain(`goal-${userId}-1250`);
  });
});

describe('a person who is gone', () => {
  it('during a run gets no row of ours and leaves nothing behind', async () => {
    const userId = randomUUID();
    let asked = false;
    llm.latencyMs = 0;
    const gate = Promise.withResolvers<void>();
    llm.behave(async () => {
      asked = true;
      await gate.promise;
      return {
        choices: [
          { message: { role: 'assistant', content: 'Nothing to do.' }, finish_reason: 'stop' },
        ],
      };
    });
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission() });
    await waitFor(() => asked || undefined, 'the call to the LLM');
    await postgres.query('delete from sync_changes where user_id = $1', [userId]);
    gate.resolve();
    llm.behave('plan');
    const users = () => postgres.query('select 1 from mana_ai.users where user_id = $1', [userId]);
    await runner.internal('/internal/tick', 'POST');
    await waitFor(
      async () => ((await missionsOf(userId)).length === 0 ? true : undefined),
      'the missions to be gone',
    );
    await waitFor(
      async () => ((await users()).length === 0 ? true : undefined),
      'the user to be forgotten',
    );
    expect(await postgres.query('select 1 from sync_changes where user_id = $1', [userId])).toEqual(
      [],
    );
  });
});

describe('a database that went back in time', () => {
  it('is read anew: what it does not hold any more is not believed', async () => {
    const userId = randomUUID();
    await writeRecord(postgres, { userId, recordId: 'm', data: dueMission() });
    const lost = await firstRow(userId, 'm');
    expect(await runner.stop()).toBe(0);
    await postgres.query('delete from sync_changes where id = $1', [lost.id]);
    setHorizon(runner.dataDir, '999999999');
    await runner.restart();
    const again = await firstRow(userId, 'm');
    expect(again.id).toBe(lost.id);
  });
});

/** As if the server had been ahead: transaction numbers of one that was restored start lower. */
function setHorizon(dataDir: string, xid: string): void {
  const folder = `${dataDir}/mana-ai-objects/mana-ai-ChangeFeed`;
  for (const name of readdirSync(folder).filter((file) => /^[0-9a-f]{64}\.sqlite$/.test(file))) {
    const database = new DatabaseSync(`${folder}/${name}`);
    database.prepare(`update feed set value = ? where name = 'horizon'`).run(xid);
    database.close();
  }
}
