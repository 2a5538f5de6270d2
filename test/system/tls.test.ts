import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  chownSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../scripts/migrate.ts';
import { type Certificate, issue, makeAuthority } from './support/certificates.ts';
import { dueMission, runnerRows, writeRecord } from './support/device.ts';
import { freePort } from '../../scripts/process/free-port.ts';
import { type LlmStub, startLlmStub } from './support/llm-stub.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';
import { type Runner, spawnServe, startRunner, waitFor } from './support/runner.ts';

let postgres: TestPostgres;
let llm: LlmStub;
let folder: string;
let authority: Certificate;
let hba: string;
let runner: Runner | undefined;
const certificates: Record<string, Certificate> = {};

beforeAll(async () => {
  postgres = await startPostgres();
  llm = await startLlmStub();
  await migrate(postgres.databaseUrl);
  folder = mkdtempSync(`${tmpdir()}/mana-edge-tls-`);
  authority = makeAuthority(folder);
  certificates['right'] = issue(folder, authority, { file: 'right', names: 'DNS:localhost' });
  certificates['other'] = issue(folder, authority, { file: 'other', names: 'DNS:db.example' });
  hba = `${postgres.dataDir}/cluster/pg_hba.conf`;
  await present('right');
});

afterEach(async () => {
  await runner?.dispose();
  runner = undefined;
  await offer('on');
});

afterAll(async () => {
  await llm?.close();
  await postgres?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** The server shows this certificate from the next connection on. */
async function present(name: string): Promise<void> {
  const made = certificates[name];
  const dataDir = hba.replace(/\/[^/]+$/, '');
  const { uid, gid } = statSync(hba);
  for (const [from, to] of [
    [made?.key ?? '', `${dataDir}/server.key`],
    [made?.certificate ?? '', `${dataDir}/server.crt`],
  ] as const) {
    copyFileSync(from, to);
    chmodSync(to, 0o600);
    chownSync(to, uid, gid);
  }
  await offer('on');
}

async function offer(ssl: 'on' | 'off'): Promise<void> {
  await postgres.query(`alter system set ssl = ${ssl}`);
  await postgres.query('select pg_reload_conf()');
  await waitFor(
    async () => ((await postgres.query('show ssl'))[0]?.['ssl'] === ssl ? true : undefined),
    `ssl to be ${ssl}`,
  );
}

function urlWith(query: string, host = 'localhost'): string {
  const url = new URL(postgres.databaseUrl);
  url.hostname = host;
  url.search = query;
  return url.href;
}

async function plansAMission(databaseUrl: string, environment: Record<string, string> = {}) {
  runner = await startRunner({ databaseUrl, llmUrl: llm.url, environment });
  const userId = randomUUID();
  await writeRecord(postgres, { userId, recordId: 'm1', data: dueMission() });
  await waitFor(async () => (await runnerRows(postgres, userId, 'm1'))[0], 'the plan');
}

/** How our connections other than LISTEN's checks are encrypted, as the server sees them. */
async function encryptedConnections(): Promise<boolean[]> {
  const rows = await postgres.query(
    `select s.ssl from pg_stat_ssl s join pg_stat_activity a using (pid)
     where a.application_name like 'mana-%' and a.application_name not like 'mana-edge%'`,
  );
  return rows.map((row) => row['ssl'] === true);
}

async function refusal(query: string, changes: Record<string, string> = {}): Promise<string> {
  const served = spawnServe({
    DATABASE_URL: urlWith(query),
    MANA_LLM_URL: llm.url,
    MANA_DATA_DIR: folder,
    MANA_AI_PORT: String(await freePort()),
    MANA_AUTH_PORT: String(await freePort()),
    ...changes,
  });
  expect(await served.exited, served.output()).toBe(1);
  expect(served.output()).not.toContain(new URL(postgres.databaseUrl).password);
  return served.output();
}

describe('a server that takes TLS only', () => {
  it('plans a mission under verify-full where MANA_CA_FILE names its CA', async () => {
    const before = readFileSync(hba, 'utf8');
    writeFileSync(hba, before.replaceAll(/^host\b/gm, 'hostssl'));
    try {
      await postgres.query('select pg_reload_conf()');
      await plansAMission(urlWith('sslmode=VERIFY-FULL'), { MANA_CA_FILE: authority.certificate });
      const encrypted = await encryptedConnections();
      expect(encrypted.length).toBeGreaterThan(0);
      expect(encrypted).not.toContain(false);
    } finally {
      writeFileSync(hba, before);
      await postgres.query('select pg_reload_conf()');
    }
  });
});

describe('a server with a private CA', () => {
  it.each([
    ['sslmode=require', 'its certificate is pinned'],
    ['ssl=no-verify', 'its certificate is pinned'],
    ['', 'prefer takes what is offered on a local host'],
  ])('is spoken to in TLS under %j: %s', async (query) => {
    await plansAMission(urlWith(query));
    expect(await encryptedConnections()).not.toContain(false);
  });

  it('is refused under verify-full without its CA, in words that name MANA_CA_FILE', async () => {
    for (const query of ['sslmode=verify-full', 'ssl=true'])
      expect(await refusal(query)).toContain('MANA_CA_FILE');
    expect(await refusal('', { PGSSLMODE: 'verify-full' })).toContain('MANA_CA_FILE');
  });

  it('counts under verify-ca by its chain, whatever its name', async () => {
    await present('other');
    try {
      await plansAMission(urlWith(`sslmode=verify-ca&sslrootcert=${authority.certificate}`));
      expect(await encryptedConnections()).not.toContain(false);
      const wrongName = await refusal('sslmode=verify-full', {
        MANA_CA_FILE: authority.certificate,
      });
      expect(wrongName).toContain('another name');
    } finally {
      await present('right');
    }
  });

  it('is not spoken to any more once its certificate is another one, and /health says so', async () => {
    await plansAMission(urlWith('sslmode=require'));
    expect(runner?.output()).toContain('is pinned (sslmode=require)');
    await present('other');
    try {
      await postgres.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'mana-%'`,
      );
      await waitFor(async () => {
        const health = await (await runner?.get('/health'))?.json<{ postgres: { ok: boolean } }>();
        return health?.postgres.ok === false ? true : undefined;
      }, '/health to say that PostgreSQL is away');
      expect(await encryptedConnections()).not.toContain(false);
    } finally {
      await present('right');
    }
  });
});

describe('a server without TLS', () => {
  it.each(['sslmode=REQUIRE', 'ssl=true', 'ssl=no-verify', 'sslmode=verify-ca', 'requiressl=1'])(
    'is refused under %s, never spoken to in plaintext',
    async (query) => {
      await offer('off');
      expect(await refusal(query)).toContain('offers no TLS');
    },
  );

  it('is spoken to plainly under prefer', async () => {
    await offer('off');
    await plansAMission(urlWith('sslmode=prefer'));
    expect(await encryptedConnections()).not.toContain(true);
  });
});

describe('what cannot be kept is refused by its name', () => {
  it.each([
    ['sslmode=prefer&sslmode=require', 'sslmode twice'],
    ['channel_binding=require', 'channel_binding'],
    ['sslcert=/tmp/client.pem', 'sslcert'],
    ['sslmode=sure', 'sslmode'],
    ['host=/var/run/postgresql', 'host twice'],
  ])('%s', async (query, words) => {
    expect(await refusal(query)).toContain(words);
  });
});
