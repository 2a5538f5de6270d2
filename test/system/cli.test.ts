import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../scripts/build.ts';
import { migrate } from '../../scripts/migrate.ts';
import { projectPath } from '../../scripts/process/project.ts';
import { deriveRecordKeys, encryptRecord, importMasterKey } from '../../src/grants/index.ts';
import { dueMission, writeRecord } from './support/device.ts';
import { type LlmStub, startLlmStub } from './support/llm-stub.ts';
import { grantKeys } from './support/person.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { type Runner, SERVICE_KEY, startRunner, waitFor } from './support/runner.ts';

let postgres: TestPostgres;
let llm: LlmStub;
let runner: Runner;

beforeAll(async () => {
  postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
  llm = await startLlmStub();
  const environment = { ...(await grantKeys()), MANA_AUTH_KEK: randomBytes(32).toString('base64') };
  runner = await startRunner({ databaseUrl: postgres.databaseUrl, llmUrl: llm.url, environment });
});

afterAll(async () => {
  await runner?.dispose();
  await llm?.close();
  await postgres?.stop();
});

type Run = { code: number | null; out: string; err: string };
type Person = { userId: string; cli(args: readonly string[], input?: string): Promise<Run> };

/** The command as a person runs it, in another folder than the project. */
async function runCli(
  args: readonly string[],
  environment: Record<string, string>,
  { input = '', bin = projectPath('bin/mana-edge.js') } = {},
): Promise<Run> {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: tmpdir(),
    env: { PATH: '/usr/bin:/bin', ...environment },
  });
  const run = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (run.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (run.err += chunk.toString()));
  child.stdin.end(input);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...run })));
}

async function environmentOf(userId: string): Promise<Record<string, string>> {
  return {
    MANA_URL: runner.url,
    MANA_AUTH_URL: runner.authUrl,
    MANA_TOKEN: await runner.userToken(userId),
  };
}

async function somebody(): Promise<Person> {
  const userId = randomUUID();
  const environment = await environmentOf(userId);
  return { userId, cli: (args, input = '') => runCli(args, environment, { input }) };
}

async function addedId(person: Person, ...args: string[]): Promise<string> {
  const { out, err } = await person.cli(['missions', 'add', ...args, '--json']);
  if (out === '') throw new Error(err);
  return (JSON.parse(out) as { mission: { id: string } }).mission.id;
}

describe('a person at the command line', () => {
  it('adds a mission, watches it planned, reviews it, pauses, resumes and deletes it', async () => {
    const person = await somebody();
    const id = await addedId(
      person,
      'Plan what to buy.',
      '--title',
      'Groceries',
      '--cadence',
      'daily 09:00',
      '--zone',
      'Europe/Berlin',
    );
    const run = await person.cli(['missions', 'run', id.slice(0, 8), '--wait']);
    expect(run).toMatchObject({ code: 0, out: expect.stringMatching(new RegExp(`id +${id}`)) });
    expect(run.out).toContain('awaiting-review');
    const listed = await person.cli(['missions', 'list']);
    expect(listed.out).toMatch(/daily 09:00 Europe\/Berlin +1 to review +Groceries/);
    const reviewed = await person.cli(['review'], 'what?\ny\nMore of these.\n');
    expect(reviewed).toMatchObject({ code: 0 });
    expect(reviewed.out).toMatch(/create_task \{"title":"Buy milk"\}[\s\S]*1 approved, 0 rejected/);
    const shown = await person.cli(['missions', 'show', id, '--json']);
    expect(JSON.parse(shown.out)).toMatchObject({
      mission: {
        iterations: [
          {
            overallStatus: 'approved',
            userFeedback: 'More of these.',
            plan: [{ status: 'approved' }],
          },
        ],
      },
    });
    expect((await person.cli(['review'])).out).toBe('Nothing waits for you.\n');
    expect((await person.cli(['missions', 'pause', id])).out).toContain('paused');
    expect(await person.cli(['missions', 'run', id])).toMatchObject({
      code: 1,
      err: expect.stringContaining('MISSION_NOT_ACTIVE'),
    });
    expect((await person.cli(['missions', 'resume', id])).out).toContain('scheduled');
    expect((await person.cli(['missions', 'change', id, '--title', 'Food'])).out).toContain('Food');
    expect(await person.cli(['missions', 'delete', id])).toMatchObject({ code: 0 });
    expect((await person.cli(['missions', 'list'])).out).toContain('No missions yet');
  });

  it('the end of the input approves nothing', async () => {
    const person = await somebody();
    const id = await addedId(person, 'Plan.');
    await person.cli(['missions', 'run', id, '--wait']);
    expect(await person.cli(['review'], '')).toMatchObject({ code: 0 });
    expect(await person.cli(['review', '--json'])).toMatchObject({
      out: expect.stringContaining('"status": "planned"'),
    });
  });

  it('encrypts here, grants, reads the plan, verifies the audit, and revokes', async () => {
    const person = await somebody();
    const init = await fetch(`${runner.authUrl}/api/v1/me/encryption-vault/init`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await runner.userToken(person.userId)}` },
    });
    const { masterKey } = await init.json<{ masterKey: string }>();
    const ref = { tableName: 'notes', recordId: 'n1' };
    const master = await importMasterKey(new Uint8Array(Buffer.from(masterKey, 'base64')));
    const note = {
      keys: await deriveRecordKeys(master, ref, [1]),
      version: 1,
      ref,
      record: { title: 'Heron', content: 'Nests' },
    };
    const data = await encryptRecord({ ...note, fields: ['title', 'content'] });
    await writeRecord(postgres, {
      userId: person.userId,
      recordId: 'n1',
      appId: 'notes',
      table: 'notes',
      data,
    });
    const secret = 'Prepare the heron census';
    const id = await addedId(person, secret, '--encrypt', '--grant', '--input', 'notes:notes:n1');
    const run = await person.cli(['missions', 'run', id, '--wait']);
    expect(run).toMatchObject({ code: 0, err: '' });
    expect(run.out).toContain(secret);
    expect(run.out).toContain('Buy milk');
    const stored = await postgres.query(
      `select data::text as data from sync_changes where user_id = $1`,
      [person.userId],
    );
    expect(JSON.stringify(stored)).not.toMatch(/heron census|Buy milk/);
    expect(await person.cli(['review'], 'y\n\n')).toMatchObject({
      code: 0,
      out: expect.stringContaining('1 approved'),
    });
    expect(await person.cli(['audit', 'verify'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/is whole: \d+ rows/),
    });
    const listed = await person.cli(['grants', 'list', '--json']);
    const { grants } = JSON.parse(listed.out) as { grants: { grantId: string }[] };
    expect(grants).toMatchObject([{ missionId: id, records: ['notes:n1'] }]);
    expect(await person.cli(['grants', 'revoke', grants[0]?.grantId ?? ''])).toMatchObject({
      code: 0,
    });
    expect((await person.cli(['grants', 'list'])).out).toContain('revoked');
    expect((await person.cli(['missions', 'show', id])).out).toMatch(/grant +\S+, revoked/);
  });

  it('says what is wrong, and with which exit code', async () => {
    const person = await somebody();
    const usage = [
      ['missions', 'fly'],
      ['missions', 'add'],
      ['missions', 'list', '--colour'],
      ['missions', 'show'],
      ['missions', 'add', 'x', '--cadence', 'soon'],
    ];
    for (const args of usage) expect([args, (await person.cli(args)).code]).toEqual([args, 2]);
    expect(await person.cli(['missions', 'show', 'nobody'])).toMatchObject({ code: 1, out: '' });
    const environment = await environmentOf(person.userId);
    const away = { ...environment, MANA_URL: 'http://127.0.0.1:9' };
    expect(await runCli(['missions', 'list'], away)).toMatchObject({
      code: 3,
      err: expect.stringContaining('cannot be reached'),
    });
    expect(await runCli(['missions', 'list'], { MANA_URL: runner.url })).toMatchObject({
      code: 2,
      err: expect.stringContaining('MANA_TOKEN'),
    });
    const clear = { ...environment, MANA_URL: 'http://example.org' };
    expect(await runCli(['missions', 'list'], clear)).toMatchObject({
      code: 2,
      err: expect.stringContaining('https://'),
    });
    const wrong = { ...environment, MANA_TOKEN: 'nothing' };
    expect(await runCli(['missions', 'list'], wrong)).toMatchObject({
      code: 1,
      err: expect.stringContaining('UNAUTHENTICATED'),
    });
  });

  it('has a help for all and for each command', async () => {
    const all = await runCli(['--help'], {});
    expect(all.code).toBe(0);
    for (const name of ['missions add', 'review', 'grants revoke', 'audit verify', 'status'])
      expect(all.out).toContain(name);
    expect((await runCli(['missions', 'add', '--help'], {})).out).toContain('--cadence');
  });

  it('tells the state in words where it has the service key', async () => {
    const person = await somebody();
    expect((await person.cli(['status'])).out).toMatch(
      /runner +ok +PostgreSQL[\s\S]*0 missions of yours/,
    );
    const environment = { ...(await environmentOf(person.userId)), MANA_SERVICE_KEY: SERVICE_KEY };
    expect((await runCli(['status'], environment)).out).toContain('Missions run by themselves');
  });

  it('lets no text of a record write to the screen', async () => {
    const person = await somebody();
    await writeRecord(postgres, {
      userId: person.userId,
      recordId: 'm',
      data: dueMission({ title: 'Red \u001b[31m\u009b2J\u202eevil', nextRunAt: null }),
    });
    const { out } = await waitFor(async () => {
      const listed = await person.cli(['missions', 'list']);
      return listed.out.includes('evil') ? listed : undefined;
    }, 'the mission');
    expect(out).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  });
});

describe('where the command is', () => {
  it('runs as an installed package, of plain JavaScript', async () => {
    build();
    const folder = mkdtempSync(`${tmpdir()}/mana-edge-cli-`);
    try {
      const installed = `${folder}/node_modules/mana-edge`;
      mkdirSync(installed, { recursive: true });
      for (const part of ['package.json', 'bin', 'dist/cli'])
        cpSync(projectPath(part), `${installed}/${part}`, { recursive: true });
      symlinkSync(projectPath('node_modules'), `${installed}/node_modules`);
      const person = await somebody();
      const bin = `${installed}/bin/mana-edge.js`;
      const listed = await runCli(['missions', 'list'], await environmentOf(person.userId), {
        bin,
      });
      expect(listed).toEqual({ code: 0, out: expect.stringContaining('No missions yet'), err: '' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('finds the runner and the token that `npm start` left', async () => {
    const folder = mkdtempSync(`${tmpdir()}/mana-edge-session-`);
    try {
      const {
        MANA_URL: url,
        MANA_AUTH_URL: authUrl,
        MANA_TOKEN: token,
      } = await environmentOf(randomUUID());
      writeFileSync(`${folder}/session.json`, JSON.stringify({ url, authUrl, token }));
      expect(await runCli(['missions', 'list'], { MANA_DATA_DIR: folder })).toMatchObject({
        code: 0,
        err: '',
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
