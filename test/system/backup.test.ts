import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from 'pg';
import { copyToFile } from '../../scripts/database/backup/copy.ts';
import { migrate } from '../../scripts/migrate.ts';
import { verifyAudit } from '../../scripts/verify-audit.ts';
import type { AuditPage } from '../../src/audit/row.ts';
import { dueMission, PAST, runnerRows, writeRecord } from './support/device.ts';
import { type LlmStub, startLlmStub } from './support/llm-stub.ts';
import { grantKeys, Person } from './support/person.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { type Runner, runScript, startRunner, waitFor } from './support/runner.ts';

const PEOPLE = 60;
const folder = mkdtempSync(join(tmpdir(), 'mana-edge-backup-'));
const [backupDir, newDataDir] = [join(folder, 'backup'), join(folder, 'data')];

let llm: LlmStub;
let keys: Record<string, string>;
let before: TestPostgres;
let old: Runner;

beforeAll(async () => {
  keys = {
    ...(await grantKeys()),
    MANA_AUTH_KEK: randomBytes(32).toString('base64'),
    MANA_LLM_MAX_CONCURRENCY: '4',
    MANA_AI_TICK_INTERVAL_MS: '500',
  };
  before = await startPostgres();
  await migrate(before.databaseUrl);
  llm = await startLlmStub();
  old = await startRunner({ databaseUrl: before.databaseUrl, llmUrl: llm.url, environment: keys });
});

afterAll(async () => {
  await old?.dispose();
  await llm?.close();
  await before?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** One due mission for each of many people; its objective says whose it is. */
async function insertMissions(postgres: TestPostgres): Promise<void> {
  for (let n = 1; n <= PEOPLE; n += 1) {
    const data = dueMission({ objective: `Plan for person <${n}>` });
    await writeRecord(postgres, { userId: `user-${n}`, recordId: 'm', data });
  }
}

/** How often each of them was written, by person. */
async function writtenBy(postgres: TestPostgres): Promise<Map<string, number>> {
  const rows = await postgres.query(
    `select user_id, count(*)::int as n from sync_changes where client_id = 'mana-ai-runner' and user_id like 'user-%' group by user_id`,
  );
  return new Map(rows.map((row) => [String(row['user_id']), Number(row['n'])]));
}

/** Whom the model was asked about. */
function askedAbout(requests: LlmStub['requests']): Set<string> {
  const numbers = requests.map(
    ({ body }) => /person <(\d+)>/.exec(JSON.stringify(body.messages))?.[1],
  );
  return new Set(numbers.filter((n) => n !== undefined).map((n) => `user-${n}`));
}

async function writeEncryptedMission(person: Person, id: string, grant: unknown): Promise<void> {
  const inputs = [{ module: 'notes', table: 'notes', id: 'n1' }];
  await person.writeMission(
    id,
    dueMission({ objective: 'Count the herons', inputs, grant, nextRunAt: PAST }),
  );
}

async function auditOf(runner: Runner, { userId }: Person): Promise<AuditPage> {
  return (await runner.asUser(userId, '/api/v1/me/ai-audit?limit=100')).json<AuditPage>();
}

async function verified(page: AuditPage, head: AuditPage['head']): ReturnType<typeof verifyAudit> {
  const path = join(folder, 'audit.json');
  writeFileSync(path, JSON.stringify(page));
  return verifyAudit([path, '--head', `${head.seq}:${head.hash}`]);
}

function filesBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).map((name) => join(path, name));
}

/** Values that a format could spoil: JSON's null beside SQL's, an infinite time, escapes, a row larger than any buffer. */
async function insertOddRows(postgres: TestPostgres): Promise<void> {
  await postgres.query(
    `insert into sync_changes (app_id, table_name, record_id, user_id, op, data, client_id, created_at) values
       ('odd', 't', E'a\\tb\\nc\\\\d', 'odd', 'insert', 'null', 'odd', 'infinity'),
       ('odd', 't', '\\N', 'odd', 'insert', null, 'odd', '0044-03-15 00:00:00 BC'),
       ('odd', 't', 'émoji 🪶', 'odd', 'insert', jsonb_build_object('text', repeat('wide ', 300000), 'n', 1e400), 'odd', now())`,
  );
}

async function oddRows(postgres: TestPostgres): Promise<unknown> {
  return postgres.query(
    `select md5(t::text), data is null as empty from sync_changes t where app_id = 'odd' order by 1`,
  );
}

function variables(postgres: TestPostgres, dataDir: string): Record<string, string> {
  return { ...keys, DATABASE_URL: postgres.databaseUrl, MANA_DATA_DIR: dataDir };
}

describe('a backup taken under load', () => {
  it('counts each table to its last row, and a file that cannot be written holds nothing up', async () => {
    const client = new Client({ connectionString: before.databaseUrl });
    client.on('error', () => undefined);
    await client.connect();
    const path = join(folder, 'copied');
    const many = '(select n from generate_series(1, 200000) as n)';
    try {
      expect(await copyToFile(client, many, path)).toBe(200_000);
      await expect(copyToFile(client, many, path)).rejects.toMatchObject({ code: 'EEXIST' });
      await expect(client.query('rollback')).rejects.toThrow();
    } finally {
      await client.end().catch(() => undefined);
    }
  });

  it('restores into an empty machine, which goes on: no mission lost, none run twice, grants open, the audit whole', async () => {
    const person = new Person(before, keys);
    await person.writeNote('n1', {
      title: 'Nests',
      content: 'The blue heron nests behind the old mill',
    });
    const records = ['notes:n1'];
    const [now, later] = [
      await person.mint('now', { records }),
      await person.mint('later', { records }),
    ];
    await writeEncryptedMission(person, 'now', now);
    await waitFor(
      async () => (await runnerRows(before, person.userId, 'now'))[0],
      'the encrypted mission',
    );
    const { head } = await auditOf(old, person);
    expect(head.seq).toBe(2);

    await insertOddRows(before);
    const odd = await oddRows(before);
    llm.latencyMs = 150;
    await insertMissions(before);
    await waitFor(async () => (await writtenBy(before)).size >= 12 || undefined, 'some missions');
    const made = await runScript('backup', variables(before, old.dataDir), [backupDir]);
    expect(made, made.output).toMatchObject({
      code: 0,
      output: expect.stringContaining('keep it like the database'),
    });
    expect(made.output).not.toContain('Warning');
    expect((await writtenBy(before)).size).toBeLessThan(PEOPLE);
    await old.dispose();
    await before.stop();

    const asked = llm.requests.length;
    const after = await startPostgres();
    try {
      const restored = await runScript('restore', variables(after, newDataDir), [backupDir]);
      expect(restored, restored.output).toMatchObject({
        code: 0,
        output: expect.stringContaining('2 grants are open'),
      });
      expect(await oddRows(after)).toEqual(odd);
      const kept = new Set((await writtenBy(after)).keys());
      expect(kept.size).toBeGreaterThanOrEqual(12);
      expect(kept.size).toBeLessThan(PEOPLE);
      const environment = { ...keys, MANA_DATA_DIR: newDataDir };
      const runner = await startRunner({
        databaseUrl: after.databaseUrl,
        llmUrl: llm.url,
        environment,
      });
      try {
        await waitFor(
          async () => (await writtenBy(after)).size === PEOPLE || undefined,
          'all missions',
          60_000,
        );
        await runner.internal('/internal/tick', 'POST');
        expect(new Set((await writtenBy(after)).values())).toEqual(new Set([1]));
        const again = askedAbout(llm.requests.slice(asked));
        expect([...kept].filter((user) => again.has(user))).toEqual([]);

        await writeEncryptedMission(person.on(after), 'later', later);
        await waitFor(
          async () => (await runnerRows(after, person.userId, 'later'))[0],
          'the mission under the old grant',
        );
        const page = await auditOf(runner, person);
        expect(page.rows).toHaveLength(4);
        expect(await verified(page, head)).toEqual({
          exitCode: 0,
          lines: ['whole: 4 rows, 1 to 4'],
        });
        expect(await (await runner.get('/metrics')).text()).toContain(
          'mana_ai_audit_breaks_total 0',
        );
      } finally {
        await runner.dispose();
      }
    } finally {
      await after.stop();
    }
  }, 180_000);

  it('is readable by its owner alone, and holds nothing decrypted and no key', () => {
    for (const path of [backupDir, ...filesBelow(backupDir)])
      expect([path, (statSync(path).mode & 0o077).toString(8)]).toEqual([path, '0']);
    for (const text of ['heron', 'PRIVATE KEY', keys['MANA_AUTH_KEK'] ?? ''])
      expect(() => execFileSync('grep', ['-rlaF', text, backupDir])).toThrow(/Command failed/);
  });
});

describe('a restore refuses', () => {
  let target: TestPostgres;
  const dataDir = join(folder, 'target');

  beforeAll(async () => {
    target = await startPostgres();
  });

  afterAll(async () => {
    await target?.stop();
  });

  async function refusal(args: readonly string[]): Promise<string> {
    const { code, output } = await runScript('restore', variables(target, dataDir), args);
    expect(code, output).toBe(1);
    return output;
  }

  it('a backup that was not finished, or of which a file was changed', async () => {
    expect(await refusal([folder])).toContain('manifest.json is missing');
    const damaged = join(folder, 'damaged');
    cpSync(backupDir, damaged, { recursive: true });
    writeFileSync(join(damaged, 'tables/mana_auth.grants.copy'), 'nothing');
    expect(await refusal([damaged])).toContain(
      'tables/mana_auth.grants.copy of the backup was changed or damaged',
    );
    const manifest = readFileSync(join(backupDir, 'manifest.json'), 'utf8');
    writeFileSync(
      join(damaged, 'manifest.json'),
      manifest.replace('objects/mana-ai-objects/', 'objects/../../elsewhere/'),
    );
    expect(await refusal([damaged])).toContain('manifest.json is not one that this build can read');
    expect(await target.query(`select 1 from pg_namespace where nspname = 'mana_ai'`)).toEqual([]);
  });

  it('a target that holds something, unless told to replace it', async () => {
    const first = await runScript('restore', variables(target, dataDir), [backupDir]);
    expect(first.code, first.output).toBe(0);
    await target.query(`delete from sync_changes where user_id = 'user-7'`);
    expect(await refusal([backupDir])).toMatch(
      /something is here already \(mana_ai.decrypt_audit, .*the objects/,
    );
    const second = await runScript('restore', variables(target, dataDir), [backupDir, '--replace']);
    expect(second.code, second.output).toBe(0);
    expect(await target.query(`select 1 from sync_changes where user_id = 'user-7'`)).not.toEqual(
      [],
    );
  });

  it('a backup of a newer build, and brings one of an older build up to date', async () => {
    const [older, newer] = [join(folder, 'older'), join(folder, 'newer')];
    const manifest = JSON.parse(readFileSync(join(backupDir, 'manifest.json'), 'utf8')) as {
      migrations: string[];
      tables: { name: string }[];
    };
    const { migrations } = manifest;
    // What the newest migration makes or changes, an older build did not have.
    const newest = readFileSync(`migrations/${migrations.at(-1) ?? ''}.sql`, 'utf8');
    const tables = manifest.tables.filter(({ name }) => !newest.includes(name));
    for (const [path, changes] of [
      [older, { migrations: migrations.slice(0, -1), tables }],
      [newer, { migrations: [...migrations, '999_of_tomorrow'] }],
    ] as const) {
      cpSync(backupDir, path, { recursive: true });
      writeFileSync(join(path, 'manifest.json'), JSON.stringify({ ...manifest, ...changes }));
    }
    expect(await refusal([newer, '--replace'])).toContain('of a newer build (');
    const done = await runScript('restore', variables(target, dataDir), [older, '--replace']);
    expect(done.code, done.output).toBe(0);
    const ledger = await target.query('select name from mana_ai.migrations order by name');
    expect(ledger.map((row) => row['name'])).toEqual(migrations);
  });

  it('while a runner is connected to the database', async () => {
    const runner = await startRunner({
      databaseUrl: target.databaseUrl,
      llmUrl: llm.url,
      environment: keys,
    });
    try {
      expect(await refusal([backupDir, '--replace'])).toContain('stop the Workers first');
    } finally {
      await runner.dispose();
    }
  });

  it('nothing where sync_changes is somebody else’s to restore: it stays as it is, and its people are known', async () => {
    await target.query(`delete from sync_changes where user_id <> 'user-9'`);
    await writeRecord(target, { userId: 'newcomer', recordId: 'm', data: dueMission() });
    const done = await runScript('restore', variables(target, dataDir), [
      backupDir,
      '--replace',
      '--without-log',
    ]);
    expect(done.code, done.output).toBe(0);
    const people = await target.query(`select distinct user_id from sync_changes order by 1`);
    expect(people.map((row) => row['user_id'])).toEqual(['newcomer', 'user-9']);
    expect(
      await target.query(`select 1 from mana_ai.users where user_id = 'newcomer'`),
    ).toHaveLength(1);
    expect(existsSync(join(dataDir, 'mana-ai-objects'))).toBe(true);
  });
});
