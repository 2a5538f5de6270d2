import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate } from '../../scripts/migrate.ts';
import { startPostgres, type TestPostgres } from './support/postgres.ts';

let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
}, 60_000);
afterAll(() => postgres.stop());

type Rows = Record<string, unknown>[];

/** Statements in one transaction under a role and a user, as a Worker sends them; returns the last one's rows. */
async function as(role: string, userId: string, ...statements: string[]): Promise<Rows> {
  await postgres.query('begin');
  try {
    await postgres.query(
      `select set_config('role', $1, true), set_config('app.current_user_id', $2, true)`,
      [role, userId],
    );
    let rows: Rows = [];
    for (const statement of statements) rows = await postgres.query(statement);
    await postgres.query('commit');
    return rows;
  } catch (error) {
    await postgres.query('rollback');
    throw error;
  }
}

const grant = (jti: string, userId: string, expires = "now() + interval '1 day'"): string =>
  `insert into mana_auth.grants (jti, user_id, mission, keys_jwe, issued_at, expires_at)
   values ('${jti}', '${userId}', 'm', 'sealed', now(), ${expires})`;

const REFUSED = { code: '42501' };
const ROLES = ['mana_auth_service', 'mana_ai_runner'] as const;

describe('mana_auth.grants', () => {
  test('mana-auth sees and writes the rows of its user alone', async () => {
    await as('mana_auth_service', 'a', grant('a1', 'a'));
    await as('mana_auth_service', 'b', grant('b1', 'b'));
    expect(await as('mana_auth_service', 'a', 'select jti from mana_auth.grants')).toEqual([
      { jti: 'a1' },
    ]);
    expect(await as('mana_auth_service', '', 'select jti from mana_auth.grants')).toEqual([]);
    await expect(as('mana_auth_service', 'a', grant('a2', 'b'))).rejects.toMatchObject(REFUSED);
    const taken = `update mana_auth.grants set revoked_at = now() where jti = 'b1' returning jti`;
    expect(await as('mana_auth_service', 'a', taken)).toEqual([]);
  });

  test.each([
    "user_id = 'b'",
    "mission = 'n'",
    "expires_at = now() + interval '1 year'",
    "jti = 'x'",
  ])('not even mana-auth may change a grant to %s, or delete it', async (change) => {
    await expect(
      as('mana_auth_service', 'a', `update mana_auth.grants set ${change}`),
    ).rejects.toMatchObject(REFUSED);
    await expect(
      as('mana_auth_service', 'a', 'delete from mana_auth.grants'),
    ).rejects.toMatchObject(REFUSED);
  });

  test('the runner reads the view, the rows of its user alone, and nothing else of the schema', async () => {
    const view = 'select * from mana_auth.grant_uses';
    expect((await as('mana_ai_runner', 'a', view)).map((row) => Object.keys(row))).toEqual([
      ['jti', 'user_id', 'mission', 'keys_jwe', 'expires_at', 'revoked_at'],
    ]);
    expect(await as('mana_ai_runner', 'a', 'select jti from mana_auth.grant_uses')).toEqual([
      { jti: 'a1' },
    ]);
    expect(await as('mana_ai_runner', '', view)).toEqual([]);
    for (const text of [
      ...['grants', 'vault', 'vault_audit'].map((table) => `select * from mana_auth.${table}`),
      'select mana_auth.erase_expired_keys()',
      `select mana_auth.users_to_rewrap('k', '', 1)`,
      'update mana_auth.grant_uses set keys_jwe = null',
      'delete from mana_auth.grant_uses',
      grant('a3', 'a'),
    ]) {
      await expect(as('mana_ai_runner', 'a', text)).rejects.toMatchObject(REFUSED);
    }
  });

  test('the sweep erases the keys of expired grants of all users, and of no other', async () => {
    await as('mana_auth_service', 'a', grant('a-old', 'a', 'now()'));
    await as('mana_auth_service', 'b', grant('b-old', 'b', "now() - interval '1 day'"));
    expect(
      await as('mana_auth_service', '', 'select mana_auth.erase_expired_keys()::int as erased'),
    ).toEqual([{ erased: 2 }]);
    expect(
      await postgres.query(
        'select jti from mana_auth.grants where keys_jwe is not null order by jti',
      ),
    ).toEqual([{ jti: 'a1' }, { jti: 'b1' }]);
  });
});

const insert = (columns: string, values: string): Promise<Rows> =>
  as(
    'mana_auth_service',
    'a',
    `insert into mana_auth.vault (user_id, ${columns}) values ('a', ${values})`,
  );

describe('mana_auth.vault', () => {
  const wrap = `wrapped_key, kek_id) values`;

  test('a row has exactly one keeper: the server, or a recovery code', async () => {
    await expect(insert('zero_knowledge', 'true')).rejects.toMatchObject({ code: '23514' });
    await expect(insert('zero_knowledge', 'false')).rejects.toMatchObject({ code: '23514' });
    await expect(insert('wrapped_key', `'w'`)).rejects.toMatchObject({ code: '23514' });
    await expect(
      insert('wrapped_key, kek_id, zero_knowledge', `'w', 'k', true`),
    ).rejects.toMatchObject({
      code: '23514',
    });
    await insert('wrapped_key, kek_id', `'w', 'k1'`);
  });

  test('mana-auth sees its user alone and deletes nobody; who is to be wrapped again is told by name', async () => {
    await as(
      'mana_auth_service',
      'b',
      `insert into mana_auth.vault (user_id, ${wrap} ('b', 'w', 'k1')`,
    );
    await as(
      'mana_auth_service',
      'c',
      `insert into mana_auth.vault (user_id, ${wrap} ('c', 'w', 'k2')`,
    );
    expect(await as('mana_auth_service', 'b', 'select user_id from mana_auth.vault')).toEqual([
      { user_id: 'b' },
    ]);
    await expect(as('mana_auth_service', 'b', 'delete from mana_auth.vault')).rejects.toMatchObject(
      REFUSED,
    );
    const named = (after: string): Promise<Rows> =>
      as('mana_auth_service', '', `select mana_auth.users_to_rewrap('k2', '${after}', 10) as id`);
    expect(await named('')).toEqual([{ id: 'a' }, { id: 'b' }]);
    expect(await named('a')).toEqual([{ id: 'b' }]);
  });

  test('its audit can be added to and read, never changed', async () => {
    await as(
      'mana_auth_service',
      'a',
      `insert into mana_auth.vault_audit (user_id, action) values ('a', 'key')`,
    );
    expect(await as('mana_auth_service', 'a', 'select action from mana_auth.vault_audit')).toEqual([
      { action: 'key' },
    ]);
    for (const text of [
      `update mana_auth.vault_audit set action = 'x'`,
      'delete from mana_auth.vault_audit',
    ]) {
      await expect(as('mana_auth_service', 'a', text)).rejects.toMatchObject(REFUSED);
    }
    const forBoth = `insert into mana_auth.vault_audit (user_id, action) values ('b', 'key')`;
    await expect(as('mana_auth_service', 'a', forBoth)).rejects.toMatchObject(REFUSED);
  });
});

test('row-level security is forced on all tables', async () => {
  const rows = await postgres.query(
    `select relname, relrowsecurity and relforcerowsecurity as forced from pg_class
     where relnamespace = 'mana_auth'::regnamespace and relkind = 'r' order by relname`,
  );
  const names = rows.map(({ relname }) => relname);
  expect(names).toEqual(
    expect.arrayContaining(['grants', 'passkeys', 'sessions', 'vault', 'vault_audit']),
  );
  expect(rows).toEqual(names.map((relname) => ({ relname, forced: true })));
});

test('all of it holds where the owner is no superuser and is under the policies itself', async () => {
  await postgres.query(`create role house_owner login createrole password 'hush'`);
  await postgres.query('grant mana_ai_runner, mana_auth_service to house_owner with admin option');
  await postgres.query('create database owned owner house_owner');
  const url = new URL(postgres.databaseUrl);
  [url.username, url.password, url.pathname] = ['house_owner', 'hush', '/owned'];
  await migrate(url.href);
  const client = new Client({ connectionString: url.href });
  await client.connect();
  const scoped = async (role: string, userId: string, text: string): Promise<Rows> => {
    await client.query('begin');
    await client.query(
      `select set_config('role', $1, true), set_config('app.current_user_id', $2, true)`,
      [role, userId],
    );
    const { rows } = await client.query<Record<string, unknown>>(text);
    await client.query('commit');
    return rows;
  };
  const [service, runner] = ROLES;
  try {
    await scoped(service, 'a', grant('live', 'a'));
    await scoped(service, 'a', grant('old', 'a', 'now()'));
    await scoped(service, 'b', grant('other', 'b', 'now()'));
    const seen = 'select jti from mana_auth.grant_uses where keys_jwe is not null order by jti';
    expect(await scoped(runner, 'a', seen)).toEqual([{ jti: 'live' }, { jti: 'old' }]);
    const sweep = 'select mana_auth.erase_expired_keys()::int as erased';
    expect(await scoped(service, '', sweep)).toEqual([{ erased: 2 }]);
    expect(await scoped(runner, 'a', seen)).toEqual([{ jti: 'live' }]);
    await scoped(
      service,
      'a',
      `insert into mana_auth.vault (user_id, wrapped_key, kek_id) values ('a', 'w', 'k1')`,
    );
    const named = `select mana_auth.users_to_rewrap('k2', '', 10) as id`;
    expect(await scoped(service, '', named)).toEqual([{ id: 'a' }]);
  } finally {
    await client.end();
  }
});
