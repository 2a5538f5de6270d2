import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import type { WorkerEnv } from '../../src/mana-ai/index.ts';
import type { TransactionRequest } from '../../src/postgres/port.ts';

const bindings = env as unknown as WorkerEnv;
const pool = bindings.POSTGRES_POOL.getByName('pool');

function request(
  text: string,
  values: TransactionRequest['statements'][number]['values'] = [],
): TransactionRequest {
  return { role: 'mana_ai_runner', userId: 'user-1', statements: [{ text, values }] };
}

describe('a transaction', () => {
  it('runs under the role without rights and as its user', async () => {
    const outcome = await pool.run(
      request(`select current_user as role, current_setting('app.current_user_id') as "user"`),
    );
    expect(outcome).toEqual({ ok: true, results: [[{ role: 'mana_ai_runner', user: 'user-1' }]] });
  });

  it('leaves neither role nor user behind on its connection', async () => {
    await pool.run(request('select 1'));
    const outcome = await pool.run({
      role: 'mana_ai_runner',
      userId: null,
      statements: [{ text: `select current_setting('app.current_user_id') as "user"`, values: [] }],
    });
    expect(outcome).toEqual({ ok: true, results: [[{ user: '' }]] });
  });

  it('that fails changes nothing and leaves the connection usable', async () => {
    const insert = `insert into sync_changes (app_id, table_name, record_id, user_id, op, client_id) values ('ai', 't', 'r', 'user-1', 'update', 'c')`;
    const failed = await pool.run({
      role: 'mana_ai_runner',
      userId: 'user-1',
      statements: [
        { text: insert, values: [] },
        { text: 'select 1 / 0', values: [] },
      ],
    });
    expect(failed).toMatchObject({
      ok: false,
      failure: { code: 'POSTGRES_REFUSED', sqlState: '22012' },
    });
    expect(await pool.run(request('select count(*) as n from sync_changes'))).toEqual({
      ok: true,
      results: [[{ n: '0' }]],
    });
  });

  it('cannot write a row of another user', async () => {
    const insert = `insert into sync_changes (app_id, table_name, record_id, user_id, op, client_id) values ('ai', 't', 'r', 'user-2', 'update', 'c')`;
    expect(await pool.run(request(insert))).toMatchObject({
      ok: false,
      failure: { code: 'POSTGRES_REFUSED', sqlState: '42501' },
    });
  });

  it('cannot change or delete what stands in the log', async () => {
    for (const text of [
      `update sync_changes set op = 'delete'`,
      'delete from sync_changes',
      'truncate sync_changes',
    ]) {
      expect(await pool.run(request(text))).toMatchObject({
        ok: false,
        failure: { sqlState: '42501' },
      });
    }
  });

  it('puts every value where it belongs, whatever it holds', async () => {
    const odd = `'; drop table x; -- \u0001 \ud83d\ude00 $1`;
    const outcome = await pool.run(
      request('select $1::text as a, $2::text as b, $3::int as c, $4::bool as d', [
        odd,
        null,
        7,
        true,
      ]),
    );
    expect(outcome).toEqual({ ok: true, results: [[{ a: odd, b: null, c: '7', d: 't' }]] });
  });
});

describe('connections', () => {
  it('stay within three however many transactions are asked for at once', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, () =>
        pool.run(request('select pg_sleep(0.01), pg_backend_pid()::text as pid')),
      ),
    );
    const pids = outcomes.map((outcome) =>
      outcome.ok ? outcome.results[0]?.[0]?.['pid'] : 'failed',
    );
    expect(pids).not.toContain('failed');
    expect(new Set(pids).size).toBeLessThanOrEqual(3);
  });

  it('that the server ends are replaced', async () => {
    const statements = ['reset role', 'select pg_terminate_backend(pg_backend_pid())'].map(
      (text) => ({
        text,
        values: [],
      }),
    );
    const ended = await pool.run({ role: 'mana_ai_runner', userId: null, statements });
    expect(ended).toMatchObject({ ok: false, failure: { code: 'POSTGRES_UNAVAILABLE' } });
    expect(await pool.run(request('select 1 as one'))).toEqual({
      ok: true,
      results: [[{ one: '1' }]],
    });
  });
});
