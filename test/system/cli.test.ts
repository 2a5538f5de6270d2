import { randomBytes, randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { build } from '../../scripts/build.ts';
import type { ReadRecord } from '../../src/carry-out/index.ts';
import { projectPath } from '../../scripts/process/project.ts';
import { deriveRecordKeys, encryptRecord, importMasterKey } from '../../src/grants/index.ts';
import { type Run, runCli } from './support/command-line.ts';
import { dueMission, writeRecord } from './support/device.ts';
import { grantKeys } from './support/person.ts';
import { useStage } from './support/stage.ts';
import { SERVICE_KEY, waitFor } from './support/runner.ts';

const { postgres, runner } = useStage({
  environment: async () => ({
    ...(await grantKeys()),
    MANA_AUTH_KEK: randomBytes(32).toString('base64'),
  }),
});

type Person = { userId: string; cli(args: readonly string[], input?: string): Promise<Run> };

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

/** A person with a mission whose plan has these steps, as the runner writes it. */
async function withPlan(...calls: [toolName: string, params: object][]): Promise<Person> {
  const person = await somebody();
  const plan = calls.map(([toolName, params], index) => ({
    id: `${person.userId}-${index + 1}`,
    summary: `Step ${index + 1}`,
    status: 'staged',
    intent: { kind: 'toolCall', toolName, params },
  }));
  const iteration = { id: 'run', source: 'server', overallStatus: 'awaiting-review', plan };
  const data = dueMission({
    nextRunAt: null,
    cadence: { kind: 'manual' },
    iterations: [iteration],
  });
  await writeRecord(postgres, { userId: person.userId, recordId: randomUUID(), data });
  return person;
}

async function rowsOfApps({ userId }: Person): Promise<Record<string, unknown>[]> {
  return postgres.query(
    `select app_id, op, data from sync_changes
     where user_id = $1 and client_id = 'mana-edge-api' and app_id <> 'ai'`,
    [userId],
  );
}

const append = (content: string): [string, object] => ['append_to_note', { noteId: 'n', content }];

describe('a review carries out what it approves', () => {
  it('a deletion is shown, and asked for twice', async () => {
    const person = await withPlan(['undo_drink', {}]);
    const { userId } = person;
    const drink = { name: 'Coffee', quantityMl: 200, date: '2026-11-28', time: '09:00' };
    await writeRecord(postgres, {
      userId,
      appId: 'drink',
      table: 'drinkEntries',
      recordId: 'd',
      data: drink,
    });
    const doubtful = await person.cli(['review'], 'y\nn\n');
    expect(doubtful.out).toMatch(/deletes drinkEntries[\s\S]*name: Coffee/);
    expect(doubtful.err).toContain('This deletes. Really?');
    expect(await rowsOfApps(person)).toEqual([]);
    expect((await person.cli(['review'], 'y\ny\n\n')).out).toContain(
      "Took back the drink 'Coffee'",
    );
    expect(await rowsOfApps(person)).toMatchObject([{ app_id: 'drink', op: 'delete' }]);
  });

  it('a change is shown with before and after, and the next step sees it', async () => {
    const person = await withPlan(append('two'), append('three'));
    const { userId } = person;
    const data = { title: 'List', content: 'one' };
    await writeRecord(postgres, { userId, appId: 'notes', table: 'notes', recordId: 'n', data });
    const { out } = await person.cli(['review'], 'y\ny\n\n');
    expect(out).toMatch(
      /content: one -> one \/ two[\s\S]*content: one \/ two -> one \/ two \/ three/,
    );
    expect(out).toContain('2 approved');
  });

  it('--mark-only carries out nothing; what only the app can do is handed over', async () => {
    const person = await withPlan(
      ['create_task', { title: 'A' }],
      ['publish_website', { siteId: 's' }],
    );
    const marked = await person.cli(['review', '--mark-only'], 'y\nq\n');
    expect(marked.out).toContain('Marked as done by hand.');
    const handed = await person.cli(['review'], 'y\ny\n\n');
    expect(handed.out).toMatch(
      /only the app can do this, and it publishes[\s\S]*The app will do it\./,
    );
    expect(await rowsOfApps(person)).toEqual([]);
    expect((await person.cli(['review'])).out).toContain('Nothing waits for you.');
  });

  it('two at the same moment write each row once', async () => {
    const calls = ['Milk', 'Bread', 'Eggs'].map((title): [string, object] => [
      'create_task',
      { title },
    ]);
    const person = await withPlan(...calls);
    const runs = await Promise.all([1, 2].map(() => person.cli(['review'], 'y\ny\ny\n\n')));
    expect(runs.map(({ code }) => code)).toEqual([0, 0]);
    const titles = (await rowsOfApps(person)).map(({ data }) => (data as { title: string }).title);
    expect(titles.toSorted()).toEqual(['Bread', 'Eggs', 'Milk']);
  });

  it('a step whose record is gone is said to be one for the hand', async () => {
    const person = await withPlan(['complete_task', { taskId: 'gone' }]);
    const { out } = await person.cli(['review'], 'n\n\n');
    expect(out).toMatch(/There is no task gone any more\.[\s\S]*done by hand/);
  });
});

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
    expect(reviewed.out).toMatch(
      /creates tasks[\s\S]*title: Buy milk[\s\S]*Created the task 'Buy milk'\./,
    );
    const records = await person.cli(['records', 'list', 'todo', '--json']);
    const [task] = (JSON.parse(records.out) as { records: ReadRecord[] }).records;
    expect(task).toMatchObject({ table: 'tasks', data: { title: 'Buy milk', isCompleted: false } });
    expect((await person.cli(['records', 'list'])).out).toMatch(/tasks:\S+ +todo .*Buy milk/);
    expect((await person.cli(['records', 'show', `tasks:${task?.recordId}`])).out).toMatch(
      /title +Buy milk/,
    );
    expect(await person.cli(['records', 'show', 'tasks:none'])).toMatchObject({ code: 1 });
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
      /^Rules of time zones: those of workerd 1\.\d{8}\.\d+\.$/m,
    );
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
