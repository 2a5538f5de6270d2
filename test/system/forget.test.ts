import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { dueMission, runnerRows, writeRecord } from './support/device.ts';
import { plan } from './support/llm-stub.ts';
import { grantKeys, Person } from './support/person.ts';
import { useStage } from './support/stage.ts';
import { runScript, SERVICE_KEY, waitFor } from './support/runner.ts';

const {
  postgres,
  llm,
  runner,
  environment: keys,
} = useStage({
  environment: async () => ({
    ...(await grantKeys()),
    MANA_AUTH_KEK: randomBytes(32).toString('base64'),
    MANA_LLM_MAX_CONCURRENCY: '1',
    MANA_AI_TICK_INTERVAL_MS: '300',
  }),
});

function forget(
  args: readonly string[],
  changes: Record<string, string> = {},
): ReturnType<typeof runScript> {
  const port = new URL(runner.url).port;
  const variables = {
    DATABASE_URL: postgres.databaseUrl,
    MANA_SERVICE_KEY: SERVICE_KEY,
    MANA_DATA_DIR: runner.dataDir,
    MANA_AI_PORT: port,
    ...changes,
  };
  return runScript('forget', variables, args);
}

/** Tables of ours with the number of rows that the user has in them, but for those without any. */
async function rowsOf(userId: string): Promise<Record<string, number>> {
  const tables = await postgres.query(
    `select table_schema || '.' || table_name as name from information_schema.columns
       join information_schema.tables using (table_schema, table_name)
     where table_schema in ('mana_ai', 'mana_auth') and table_type = 'BASE TABLE' and column_name = 'user_id'`,
  );
  const counts: Record<string, number> = {};
  for (const name of ['public.sync_changes', ...tables.map((row) => String(row['name']))]) {
    const [row] = await postgres.query(
      `select count(*)::int as n from ${name} where user_id = $1`,
      [userId],
    );
    if (Number(row?.['n']) > 0) counts[name] = Number(row?.['n']);
  }
  return counts;
}

/** Files of the data folder that hold a text. */
function filesWith(text: string): string[] {
  try {
    return execFileSync('grep', ['-rlaF', text, runner.dataDir], { encoding: 'utf8' })
      .trim()
      .split('\n');
  } catch {
    return [];
  }
}

/** A person with a plaintext mission, an encrypted one under a grant, a vault, and traces of all in every table. */
async function known(secret: string): Promise<Person> {
  const person = new Person(postgres, keys);
  const { userId } = person;
  const init = await fetch(`${runner.authUrl}/api/v1/me/encryption-vault/init`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await runner.userToken(userId)}` },
  });
  expect(init.status).toBe(200);
  await person.writeNote('n1', { title: 'Nests', content: 'By the mill' });
  const grant = await person.mint('secret', { records: ['notes:n1'] });
  const inputs = [{ module: 'notes', table: 'notes', id: 'n1' }];
  await person.writeMission('secret', dueMission({ objective: 'Count herons', inputs, grant }));
  await writeRecord(postgres, {
    userId,
    recordId: 'plain',
    data: dueMission({ title: secret, objective: secret }),
  });
  for (const id of ['secret', 'plain'])
    await waitFor(async () => (await runnerRows(postgres, userId, id))[0], `the mission ${id}`);
  return person;
}

describe('a person who is forgotten', () => {
  it('is nowhere any more: not in the tables, the objects, the data folder; what is left of the log is told', async () => {
    const other = await known('The bittern booms');
    const { userId } = await known('The kingfisher dives');
    const before = await rowsOf(userId);
    expect(Object.keys(before)).toEqual(
      expect.arrayContaining([
        'mana_ai.decrypt_audit',
        'mana_ai.users',
        'mana_auth.grants',
        'mana_auth.vault',
        'mana_auth.vault_audit',
      ]),
    );
    expect(filesWith('kingfisher')).not.toEqual([]);

    const done = await forget([userId]);
    expect(done, done.output).toMatchObject({ code: 0 });
    expect(done.output).not.toContain('LEFT');
    expect(done.output).toContain('gone  mana_ai.decrypt_audit: no row (2 removed)');
    expect(done.output).toMatch(
      /stays sync_changes: \d+ rows, 4 of them of missions and agents, 2 written by the runner/,
    );
    expect(Object.keys(await rowsOf(userId))).toEqual(['public.sync_changes']);
    expect(filesWith('kingfisher')).toEqual([]);
    // The bare id stays in free pages of what all share, until they are used again.
    const shared = /mana-ai-Dispatcher|mana-ai-ChangeFeed|metadata\.sqlite/;
    expect(filesWith(userId).filter((path) => !shared.test(path))).toEqual([]);

    await runner.internal('/internal/tick', 'POST');
    await runner.kill();
    await runner.restart();
    expect(filesWith('kingfisher')).toEqual([]);
    expect(Object.keys(await rowsOf(userId))).toEqual(['public.sync_changes']);
    expect(filesWith('bittern')).not.toEqual([]);
    expect(await rowsOf(other.userId)).toMatchObject({
      'mana_ai.decrypt_audit': 2,
      'mana_auth.vault': 1,
    });
  });

  it('while a run of theirs is under way: it ends without a trace, and its permit goes to the next', async () => {
    const [leaving, staying] = ['leaving', 'staying'];
    const held: (() => void)[] = [];
    llm.behave(async (body) => {
      if (JSON.stringify(body.messages).includes('Held'))
        await new Promise<void>((done) => held.push(done));
      return plan(body);
    });
    await writeRecord(postgres, {
      userId: leaving,
      recordId: 'm',
      data: dueMission({ objective: 'Held' }),
    });
    await waitFor(() => held[0], 'the call of the model');
    await writeRecord(postgres, { userId: staying, recordId: 'm', data: dueMission() });
    const done = await forget([leaving, '--with-log']);
    expect(done, done.output).toMatchObject({
      code: 0,
      output: expect.stringContaining('gone  public.sync_changes'),
    });
    await waitFor(
      async () => (await runnerRows(postgres, staying, 'm'))[0],
      'the next person’s mission',
    );
    for (const release of held) release();
    await runner.internal('/internal/tick', 'POST');
    expect(await rowsOf(leaving)).toEqual({});
    const answer = await runner.internal(`/internal/missions/${leaving}`);
    expect(await answer.json<unknown>()).toEqual({ missions: [] });
  });

  it('is not promised where the Workers do not run or refuse: nothing is removed, and the line says what to do', async () => {
    const { userId } = await known('The grebe dances');
    const before = await rowsOf(userId);
    const closed = await forget([userId], { MANA_AI_PORT: '9' });
    expect(closed).toMatchObject({
      code: 1,
      output: expect.stringContaining('nothing was removed: mana-ai does not answer'),
    });
    const refused = await forget([userId], { MANA_SERVICE_KEY: 'another-service-key' });
    expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('MANA_SERVICE_KEY') });
    expect(await rowsOf(userId)).toEqual(before);
    expect((await forget([])).output).toContain('npm run forget -- USER');
  });
});

it('every table of ours says whose its rows are, or holds nothing of anybody', async () => {
  const rows = await postgres.query(
    `select table_schema || '.' || table_name as name from information_schema.tables t
     where table_schema in ('mana_ai', 'mana_auth') and table_type = 'BASE TABLE' and not exists (
       select from information_schema.columns c
       where c.table_schema = t.table_schema and c.table_name = t.table_name and c.column_name = 'user_id')`,
  );
  expect(rows.map((row) => row['name'])).toEqual(['mana_ai.migrations']);
});
