import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { compactAudits, dropEndedGrants, dropVaultUses } from '../../scripts/retention.ts';
import { migrate } from '../../scripts/migrate.ts';
import { verifyAudit } from '../../scripts/verify-audit.ts';
import type { AuditPage } from '../../src/audit/row.ts';
import { PAST, runnerRows, writeRecord } from './support/device.ts';
import { grantKeys, Person } from './support/person.ts';
import { waitFor } from './support/runner.ts';
import { useStage } from './support/stage.ts';

const NOTES = ['notes:n1', 'notes:n2', 'notes:n3'];
const folder = mkdtempSync(join(tmpdir(), 'mana-edge-audit-'));

const { postgres, llm, runner, environment: keys } = useStage({ environment: grantKeys });

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
});

/** A person with three encrypted notes and a due mission that may read them, and other records where told. */
async function planned(
  person: Person,
  missionId: string,
  more: { records: string[]; agentId?: string } = { records: [] },
): Promise<void> {
  for (const name of NOTES)
    await person.writeNote(name.slice('notes:'.length), { title: 'T', content: `of ${missionId}` });
  const { records, ...fields } = more;
  const grant = await person.mint(missionId, { records: [...NOTES, ...records] });
  await person.writeMission(missionId, {
    title: 'Herons',
    objective: `Count for ${missionId}`,
    conceptMarkdown: '',
    state: 'active',
    cadence: { kind: 'daily', atHour: 9, atMinute: 0 },
    nextRunAt: PAST,
    inputs: NOTES.map((name) => ({
      module: 'notes',
      table: 'notes',
      id: name.slice('notes:'.length),
    })),
    iterations: [],
    grant,
    ...fields,
  });
}

async function written({ userId }: Person, missionId: string): Promise<void> {
  await waitFor(
    async () => (await runnerRows(postgres, userId, missionId))[0],
    `a row of ours for ${missionId}`,
  );
}

async function page({ userId }: Person, query: string): Promise<AuditPage> {
  const answer = await runner.asUser(userId, `/api/v1/me/ai-audit${query}`);
  expect(answer.status).toBe(200);
  return answer.json<AuditPage>();
}

/** What the model was asked about a mission. */
function promptsOf(missionId: string): string {
  const about = `Count for ${missionId}`;
  return JSON.stringify(
    llm.requests.filter(({ body }) => JSON.stringify(body.messages).includes(about)),
  );
}

/** All pages of an audit in a file, one on each line, as a loop with curl would leave them. */
async function exported(
  person: Person,
  limit: number,
): Promise<{ path: string; pages: AuditPage[] }> {
  const pages: AuditPage[] = [];
  for (let after: number | undefined = 0; after !== undefined; after = pages.at(-1)?.next) {
    pages.push(await page(person, `?limit=${limit}&after=${after}`));
  }
  const path = join(folder, `${person.userId}.json`);
  writeFileSync(path, pages.map((one) => JSON.stringify(one)).join('\n'));
  return { path, pages };
}

describe('the audit of a person', () => {
  it('is exported by pages and verified without the server, over a kill and a lost data folder', async () => {
    const person = new Person(postgres, keys);
    await planned(person, 'm1');
    await written(person, 'm1');
    await runner.kill();
    await runner.restart();
    await planned(person, 'm2');
    await written(person, 'm2');
    await runner.stop();
    rmSync(runner.dataDir, { recursive: true });
    await runner.restart();
    await planned(person, 'm3');
    await written(person, 'm3');

    const { path, pages } = await exported(person, 4);
    const rows = pages.flatMap((one) => one.rows);
    expect([pages.length, rows.length, pages[0]?.head]).toEqual([
      5,
      18,
      { seq: 18, hash: rows[17]?.hash },
    ]);
    expect(await verifyAudit([path])).toEqual({ exitCode: 0, lines: ['whole: 18 rows, 1 to 18'] });
    const filtered = await page(person, '?missionId=m2');
    expect(filtered.rows.map(({ seq }) => seq)).toEqual([7, 8, 9, 10, 11, 12]);
  });

  it('that somebody shortened in Postgres does not verify', async () => {
    const person = new Person(postgres, keys);
    await planned(person, 'm1');
    await written(person, 'm1');
    await postgres.query('delete from mana_ai.decrypt_audit where user_id = $1 and seq > 5', [
      person.userId,
    ]);
    const { path } = await exported(person, 100);
    expect(await verifyAudit([path])).toMatchObject({
      exitCode: 1,
      lines: [
        expect.stringContaining('row 6: truncated'),
        expect.anything(),
        'BROKEN: 5 rows, 1 to 5',
      ],
    });
  });

  it('lists an agent whose words the grant opens, and none that it does not name', async () => {
    const person = new Person(postgres, keys);
    const words = { systemPrompt: 'Speak like a lighthouse keeper', memory: 'Fond of fog' };
    const sealed = await person.encrypted({ tableName: 'agents', recordId: 'a1' }, words, [
      'systemPrompt',
      'memory',
    ]);
    const data = {
      name: 'Keeper',
      role: 'watch',
      state: 'active',
      policy: { tools: {}, defaultForAi: 'propose' },
      ...sealed,
    };
    await writeRecord(postgres, { userId: person.userId, recordId: 'a1', table: 'agents', data });
    await planned(person, 'without', { records: [], agentId: 'a1' });
    await written(person, 'without');
    await planned(person, 'with', { records: ['agents:a1'], agentId: 'a1' });
    await written(person, 'with');
    expect(promptsOf('without')).not.toContain('lighthouse');
    expect(promptsOf('with')).toContain('lighthouse');
    const { rows } = await page(person, '');
    const agents = rows.filter(({ tableName }) => tableName === 'agents');
    expect(agents.map(({ missionId, kind, status }) => [missionId, kind, status])).toEqual([
      ['with', 'attempt', 'pending'],
      ['with', 'outcome', 'ok'],
    ]);
  });

  it('shows nothing of anybody else', async () => {
    const person = new Person(postgres, keys);
    expect(await page(person, '')).toEqual({
      userId: person.userId,
      rows: [],
      head: { seq: 0, hash: '' },
    });
  });
});

describe('an audit that cannot be written', () => {
  it('keeps every record closed: no model is asked, nothing is written; later the mission runs', async () => {
    const person = new Person(postgres, keys);
    await postgres.query('revoke insert on mana_ai.decrypt_audit from mana_ai_runner');
    try {
      await planned(person, 'shut');
      await waitFor(async () => {
        const answer = await runner.internal(`/internal/missions/${person.userId}`);
        return (await answer.text()).includes('back-off') || undefined;
      }, 'the mission to be held back');
      expect(
        llm.requests.filter(({ body }) => JSON.stringify(body.messages).includes('of shut')),
      ).toEqual([]);
      expect(await runnerRows(postgres, person.userId, 'shut')).toEqual([]);
    } finally {
      await postgres.query('grant insert on mana_ai.decrypt_audit to mana_ai_runner');
    }
    await written(person, 'shut');
    const { path } = await exported(person, 100);
    expect((await verifyAudit([path])).exitCode).toBe(0);
  });
});

describe('retention', () => {
  it('is the work of an owner without any special right, and leaves chains that verify', async () => {
    await postgres.query(`create role audit_owner login createrole password 'hush'`);
    await postgres.query(
      'grant mana_ai_runner, mana_auth_service to audit_owner with admin option',
    );
    await postgres.query('create database audited owner audit_owner');
    const url = new URL(postgres.databaseUrl);
    url.username = 'audit_owner';
    url.password = 'hush';
    url.pathname = '/audited';
    await migrate(url.href);
    const client = new Client({ connectionString: url.href });
    await client.connect();
    try {
      for (const [userId, ts] of [
        ['old', '2020-01-01T00:00:00.000Z'],
        ['new', new Date().toISOString()],
      ]) {
        await client.query('begin');
        await client.query(`select set_config('app.current_user_id', $1, true)`, [userId]);
        await client.query(
          `insert into mana_ai.decrypt_audit values ($1, 1, 'attempt', 'm', 'i', 'notes', 'n', 'pending', null, $2, null, '', 'h1'),
             ($1, 2, 'outcome', 'm', 'i', 'notes', 'n', 'ok', null, $2, 1, 'h1', 'h2')`,
          [userId, ts],
        );
        await client.query(
          `insert into mana_auth.vault_audit (user_id, at, action) values ($1, $2, 'mint')`,
          [userId, ts],
        );
        await client.query(
          `insert into mana_auth.grants (jti, user_id, mission, issued_at, expires_at, revoked_at) values
             ('ended-' || $1, $1, 'm', $2, $2, null), ('live-' || $1, $1, 'm', $2, now() + interval '1 day', $2)`,
          [userId, ts],
        );
        await client.query('commit');
      }
      const olderThan = new Date('2025-01-01T00:00:00Z');
      expect(await compactAudits(client, olderThan)).toEqual({ users: 1, rows: 2 });
      expect(await compactAudits(client, olderThan)).toEqual({ users: 0, rows: 0 });
      expect([
        await dropVaultUses(client, olderThan),
        await dropVaultUses(client, olderThan),
      ]).toEqual([1, 0]);
      expect([
        await dropEndedGrants(client, olderThan),
        await dropEndedGrants(client, olderThan),
      ]).toEqual([1, 0]);
      await client.query(`select set_config('app.current_user_id', 'new', false)`);
      expect((await client.query('select user_id from mana_auth.vault_audit')).rows).toEqual([
        { user_id: 'new' },
      ]);
      expect(
        (await client.query(`select jti from mana_auth.grants where user_id = 'new' order by 1`))
          .rows,
      ).toEqual([{ jti: 'ended-new' }, { jti: 'live-new' }]);
      const { rows } = await client.query(
        'select user_id, seq, kind, hash from mana_ai.decrypt_audit order by user_id, seq',
      );
      expect(rows).toEqual([
        { user_id: 'new', seq: '1', kind: 'attempt', hash: 'h1' },
        { user_id: 'new', seq: '2', kind: 'outcome', hash: 'h2' },
        { user_id: 'old', seq: '2', kind: 'checkpoint', hash: 'h2' },
      ]);
    } finally {
      await client.end();
    }
  });
});
