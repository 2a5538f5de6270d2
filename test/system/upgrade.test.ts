import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dumpTables, loadTables } from '../../scripts/database/backup/tables.ts';
import { withClient } from '../../scripts/embedded/own-database.ts';
import { fillStatement, migrate, migrationNames } from '../../scripts/migrate.ts';
import { verifyAudit } from '../../scripts/verify-audit.ts';
import { dueMission, type Log, runnerRows, writeRecord } from './support/device.ts';
import { isSecondRound, type LlmStub, plan, startLlmStub } from './support/llm-stub.ts';
import { grantKeys, Person } from './support/person.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { type Runner, runScript, startRunner, waitFor } from './support/runner.ts';

const USERS = ['one', 'two', 'three'];
const folder = mkdtempSync(join(tmpdir(), 'mana-edge-upgrade-'));

let postgres: TestPostgres;
let llm: LlmStub;
let runner: Runner;
let keys: Record<string, string>;
let upgraded: Client;
let upgradedUrl: string;

beforeAll(async () => {
  postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
  llm = await startLlmStub();
  keys = { ...(await grantKeys()), MANA_LLM_MAX_CONCURRENCY: '4', MANA_AI_TICK_INTERVAL_MS: '500' };
  runner = await startRunner({
    databaseUrl: postgres.databaseUrl,
    llmUrl: llm.url,
    environment: keys,
  });
});

afterAll(async () => {
  await runner?.dispose();
  await llm?.close();
  await upgraded?.end();
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A database of the same server, and so of the same transaction numbers, as the previous version left it: its migrations, and our data. */
async function asPreviousVersion(): Promise<void> {
  await postgres.query('create database previous_version');
  const url = new URL(postgres.databaseUrl);
  url.pathname = '/previous_version';
  upgradedUrl = url.href;
  await migrate(upgradedUrl, (await migrationNames()).slice(0, -1));
  const { tables } = await withClient(postgres.databaseUrl, 'test', (client) =>
    dumpTables(client, folder, { withLog: true }),
  );
  const fill = await fillStatement();
  await withClient(upgradedUrl, 'test', async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `select table_schema || '.' || table_name as name from information_schema.tables`,
    );
    // The newest migration may bring tables that the previous version does not have.
    const known = tables.filter((table) => rows.some(({ name }) => name === table.name));
    await loadTables(client, folder, known, fill);
  });
  upgraded = new Client({ connectionString: upgradedUrl });
  upgraded.on('error', () => undefined);
  await upgraded.connect();
}

/**
 * Gives the objects of users a cache of a version before this one, in another shape, and takes the number of their storage
 * steps: builds before that number kept the user's id in a row instead.
 */
function ageObjects(): number {
  const objects = join(runner.dataDir, 'mana-ai-objects', 'mana-ai-UserMissions');
  const names = readdirSync(objects).filter(
    (name) => name.endsWith('.sqlite') && name !== 'metadata.sqlite',
  );
  for (const name of names) {
    const database = new DatabaseSync(join(objects, name));
    database.exec(`
      update meta set value = '0' where name = 'cache_version';
      insert into meta values ('user_id', 'of an older build');
      drop table storage_steps; drop table records; drop table due; drop table changes; drop table holds; drop table occurrences;
      create table records (record_id text primary key, json text not null);
      insert into records values ('m', '{"of":"another version"}');
    `);
    database.close();
  }
  return names.length;
}

function log(): Log {
  return {
    query: async (text, values) =>
      (await upgraded.query<Record<string, unknown>>(text, [...(values ?? [])])).rows,
  };
}

function requestsAbout(text: string): LlmStub['requests'] {
  return llm.requests.filter(({ body }) => JSON.stringify(body.messages).includes(text));
}

describe('an upgrade from the previous version', () => {
  it('finds the database not migrated, says so, and after `npm run migrate` goes on with everything that was there', async () => {
    const person = new Person(postgres, keys);
    await person.writeNote('n1', { title: 'Nests', content: 'By the mill' });
    const grant = await person.mint('secret', { records: ['notes:n1'] });
    const inputs = [{ module: 'notes', table: 'notes', id: 'n1' }];
    await person.writeMission('secret', dueMission({ objective: 'Count herons', inputs, grant }));
    for (const userId of USERS)
      await writeRecord(postgres, { userId, recordId: 'm', data: dueMission() });
    for (const userId of USERS)
      await waitFor(
        async () => (await runnerRows(postgres, userId, 'm'))[0],
        `the mission of ${userId}`,
      );
    await waitFor(
      async () => (await runnerRows(postgres, person.userId, 'secret'))[0],
      'the encrypted mission',
    );
    llm.behave((body) => (isSecondRound(body) ? new Promise(() => undefined) : plan(body)));
    await writeRecord(postgres, {
      userId: 'under-way',
      recordId: 'm',
      data: dueMission({ objective: 'Half done' }),
    });
    await waitFor(() => requestsAbout('Half done')[1], 'the second round');
    await runner.kill();
    await asPreviousVersion();
    expect(ageObjects()).toBe(5);
    llm.behave('plan');
    const asked = llm.requests.length;

    await expect(runner.restart({ DATABASE_URL: upgradedUrl })).rejects.toThrow(
      /migrations are missing .*npm run migrate/,
    );
    const migrated = await runScript('migrate', { DATABASE_URL: upgradedUrl });
    expect(migrated).toEqual({ code: 0, output: `applied ${(await migrationNames()).at(-1)}\n` });
    await runner.restart({ DATABASE_URL: upgradedUrl });

    await waitFor(
      async () => (await runnerRows(log(), 'under-way', 'm'))[0],
      'the run that was under way',
    );
    expect(llm.requests.slice(asked).map(({ body }) => isSecondRound(body))).toEqual([true]);
    await writeRecord(log(), { userId: 'one', recordId: 'next', data: dueMission() });
    await waitFor(async () => (await runnerRows(log(), 'one', 'next'))[0], 'a mission that is new');
    const again = await person.on(log()).mint('secret', { records: ['notes:n1'] });
    await person
      .on(log())
      .writeMission('secret', dueMission({ objective: 'Count herons', inputs, grant: again }));
    await waitFor(
      async () => (await runnerRows(log(), person.userId, 'secret'))[1],
      'the encrypted mission once more',
    );
    await runner.internal('/internal/tick', 'POST');
    for (const userId of USERS) expect(await runnerRows(log(), userId, 'm')).toHaveLength(1);
    const answer = await runner.internal('/internal/missions/two');
    expect(await answer.json()).toMatchObject({
      missions: [{ id: 'm', title: 'Groceries', status: 'scheduled' }],
    });
    await auditIsWhole(person);
  }, 120_000);
});

async function auditIsWhole({ userId }: Person): Promise<void> {
  const page = await (await runner.asUser(userId, '/api/v1/me/ai-audit')).text();
  const path = join(folder, 'audit.json');
  writeFileSync(path, page);
  expect(await verifyAudit([path])).toEqual({ exitCode: 0, lines: ['whole: 4 rows, 1 to 4'] });
}
