import { env } from 'cloudflare:workers';
import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { AuditLog, type HeadStore } from '../../durable-objects/opening/audit-log.ts';
import { MissionStore } from '../../durable-objects/projection/mission-store.ts';
import type { WorkerEnv } from '../../src/mana-ai/index.ts';
import { type AuditHead, type AuditPage, type AuditRow, EMPTY_CHAIN } from '../../src/audit/row.ts';
import { verifyChain } from '../../src/audit/verify.ts';
import { pooledDatabase } from '../../src/postgres/pooled-database.ts';
import type { Database, Row } from '../../src/postgres/port.ts';

const bindings = env as unknown as WorkerEnv;
const pool = bindings.POSTGRES_POOL.getByName('pool');
const database = pooledDatabase(pool);
const WHOLE = { missionId: null, limit: 500, after: 0 };
const CONTEXT = { missionId: 'm-1', iterationId: 'i-1' };

let users = 0;

/** What an object remembers; `forget` loses it, `forgetful` never takes anything in. */
class Memory implements HeadStore {
  value: AuditHead | null = null;
  forgetful = false;
  read(): AuditHead | null {
    return this.value;
  }
  write(head: AuditHead): void {
    if (!this.forgetful) this.value = head;
  }
}

function setUp(overDatabase: Database = database) {
  const userId = `audited-${++users}`;
  const head = new Memory();
  return { userId, head, log: new AuditLog({ userId, database: overDatabase, head }) };
}

function records(...ids: string[]) {
  return ids.map((recordId) => ({ tableName: 'notes', recordId }));
}

/** As the owner of the tables, to whom no policy applies. */
async function asOwner(text: string, ...values: (string | number)[]): Promise<readonly Row[]> {
  const statements = [
    { text: 'reset role', values: [] },
    { text, values },
  ];
  const outcome = await pool.run({ role: 'mana_ai_runner', userId: null, statements });
  if (!outcome.ok) throw new Error(outcome.failure.message);
  return outcome.results[1] ?? [];
}

async function problemsOf(page: AuditPage): Promise<string[]> {
  const { problems } = await verifyChain({
    userId: page.userId,
    rows: page.rows,
    heads: [page.head],
  });
  return problems.map(({ seq, code }) => `${seq} ${code}`);
}

/** One run as the runner does it. */
async function run(log: AuditLog, iterationId: string, ...ids: string[]): Promise<void> {
  const attempts = await log.attempts(records(...ids), { ...CONTEXT, iterationId });
  await log.outcomes(attempts.map((attempt) => ({ attempt, status: 'ok', reason: null })));
}

function brief(rows: readonly AuditRow[]): string[] {
  return rows.map(({ seq, kind, recordId, status }) => `${seq} ${kind} ${recordId} ${status}`);
}

/** Fails as told, before or after the statements took effect. */
function failing(when: 'before' | 'after', times: number): Database {
  let left = times;
  return {
    async transaction(request) {
      const isWrite = request.statements.some(({ text }) => text.includes('insert into'));
      if (isWrite && left > 0 && when === 'before') {
        left -= 1;
        throw new Error('cut off before the write');
      }
      const results = await database.transaction(request);
      if (isWrite && left > 0) {
        left -= 1;
        throw new Error('cut off after the write');
      }
      return results;
    },
  };
}

describe('a run in the audit', () => {
  it('is an attempt for each record, written at once, and an outcome that names each', async () => {
    const { log } = setUp();
    const attempts = await log.attempts(records('a', 'b'), CONTEXT);
    expect(attempts).toEqual([
      { ...CONTEXT, tableName: 'notes', recordId: 'a', seq: 1 },
      { ...CONTEXT, tableName: 'notes', recordId: 'b', seq: 2 },
    ]);
    const pending = await log.page(WHOLE);
    expect(brief(pending.rows)).toEqual(['1 attempt a pending', '2 attempt b pending']);
    await log.outcomes([
      { attempt: attempts[1]!, status: 'scope-violation', reason: 'not-covered' },
      { attempt: attempts[0]!, status: 'ok', reason: null },
    ]);
    const page = await log.page(WHOLE);
    expect(brief(page.rows.slice(2))).toEqual(['3 outcome b scope-violation', '4 outcome a ok']);
    expect(page.rows[2]).toMatchObject({ ...CONTEXT, tableName: 'notes', reason: 'not-covered' });
    expect(page.head).toEqual({ seq: 4, hash: page.rows[3]?.hash });
    expect(await problemsOf(page)).toEqual([]);
  });

  it('of a thousand records is one INSERT', async () => {
    let statements = 0;
    const counting: Database = {
      transaction: (request) => {
        statements += request.statements.filter(({ text }) => text.includes('insert into')).length;
        return database.transaction(request);
      },
    };
    const { log } = setUp(counting);
    const ids = Array.from({ length: 1_000 }, (_, index) => `r-${index}`);
    expect(await log.attempts(records(...ids), CONTEXT)).toHaveLength(1_000);
    expect(statements).toBe(1);
  });

  it('without records writes nothing', async () => {
    const { log, head } = setUp();
    expect(await log.attempts([], CONTEXT)).toEqual([]);
    await log.outcomes([]);
    expect([await log.page(WHOLE), head.value]).toMatchObject([
      { rows: [], head: EMPTY_CHAIN },
      null,
    ]);
  });

  it('names what devices wrote, odd as it may be', async () => {
    const { log } = setUp();
    const odd = [
      'a:b',
      'a\u0000b',
      '\ud800',
      '"; drop table x; --',
      'x'.repeat(300),
      '\u{1f600}',
      '',
    ];
    const attempts = await log.attempts(records(...odd), { missionId: '\udfff', iterationId: 'i' });
    await log.outcomes(
      attempts.map((attempt) => ({ attempt, status: 'failed', reason: 'not-covered' })),
    );
    const page = await log.page(WHOLE);
    expect(page.rows.slice(0, 7).map(({ recordId }) => recordId)).toEqual([
      'a:b',
      'a\ufffdb',
      '\ufffd',
      '"; drop table x; --',
      'x'.repeat(256),
      '\u{1f600}',
      '',
    ]);
    expect(await problemsOf(page)).toEqual([]);
  });
});

describe('the chain', () => {
  it('has no fork and no gap under concurrent runs of one object', async () => {
    const { log } = setUp();
    await Promise.all(
      Array.from({ length: 12 }, (_, index) => run(log, `i-${index}`, 'a', 'b', 'c')),
    );
    const page = await log.page(WHOLE);
    expect([page.rows.length, page.head.seq]).toEqual([72, 72]);
    expect(await problemsOf(page)).toEqual([]);
  });

  it('has none under two writers who do not know of each other', async () => {
    const { userId, head, log } = setUp();
    const other = new AuditLog({ userId, database, head: new Memory() });
    const runs = [1, 2, 3].flatMap((turn) => [
      run(log, `ours-${turn}`, 'a', 'b'),
      run(other, `theirs-${turn}`, 'a', 'b'),
    ]);
    await Promise.all(runs);
    const page = await log.page(WHOLE);
    expect(page.rows).toHaveLength(24);
    expect(await problemsOf(page)).toEqual([]);
    expect(head.value).toEqual(page.head);
  });

  it('goes on where the object had no time to note its own rows', async () => {
    const { log, head } = setUp();
    await run(log, 'i-1', 'a');
    head.forgetful = true;
    await log.attempts(records('b', 'c'), CONTEXT);
    head.forgetful = false;
    await run(log, 'i-2', 'b', 'c');
    const page = await log.page(WHOLE);
    expect(brief(page.rows.slice(2, 6))).toEqual([
      '3 attempt b pending',
      '4 attempt c pending',
      '5 attempt b pending',
      '6 attempt c pending',
    ]);
    expect(await problemsOf(page)).toEqual([]);
  });

  it('goes on from the log where the object lost its storage', async () => {
    const { log, head } = setUp();
    await run(log, 'i-1', 'a', 'b');
    head.value = null;
    await run(log, 'i-2', 'c');
    const page = await log.page(WHOLE);
    expect([page.rows.length, await problemsOf(page)]).toEqual([6, []]);
  });

  it('goes on from a checkpoint', async () => {
    const { log, head, userId } = setUp();
    await run(log, 'i-1', 'a', 'b');
    await age(userId, 4);
    await run(log, 'i-2', 'c');
    expect(await compact(userId)).toBe('4');
    await run(log, 'i-3', 'd');
    head.value = null;
    await run(log, 'i-4', 'e');
    const page = await log.page(WHOLE);
    expect(brief(page.rows.slice(0, 2))).toEqual(['4 checkpoint null ok', '5 attempt c pending']);
    expect([page.head.seq, await problemsOf(page)]).toEqual([10, []]);
  });
});

describe('what cannot be written', () => {
  it('throws, so that nothing is opened, and the next run writes as if nothing had been', async () => {
    const { log } = setUp(failing('before', 1));
    await expect(log.attempts(records('a'), CONTEXT)).rejects.toThrow('before the write');
    await run(log, 'i-2', 'a');
    const page = await log.page(WHOLE);
    expect([brief(page.rows), await problemsOf(page)]).toEqual([
      ['1 attempt a pending', '2 outcome a ok'],
      [],
    ]);
  });

  it('throws where it is not known whether it was: the attempts stay pending, the chain goes on', async () => {
    const { log } = setUp(failing('after', 1));
    await expect(log.attempts(records('a'), CONTEXT)).rejects.toThrow('after the write');
    await run(log, 'i-2', 'a');
    const page = await log.page(WHOLE);
    expect(brief(page.rows)).toEqual([
      '1 attempt a pending',
      '2 attempt a pending',
      '3 outcome a ok',
    ]);
    expect(await problemsOf(page)).toEqual([]);
  });

  it('is an outcome without its attempt, and a second one', async () => {
    const { log } = setUp();
    const [attempt] = await log.attempts(records('a'), CONTEXT);
    await expect(
      log.outcomes([{ attempt: { ...attempt!, seq: 77 }, status: 'ok', reason: null }]),
    ).rejects.toThrow();
    await log.outcomes([{ attempt: attempt!, status: 'ok', reason: null }]);
    await expect(
      log.outcomes([{ attempt: attempt!, status: 'ok', reason: null }]),
    ).rejects.toThrow();
    const page = await log.page(WHOLE);
    expect([page.rows.length, await problemsOf(page)]).toEqual([2, []]);
  });
});

describe('a log that was tampered with shows it for good', () => {
  it('cut short: the head says so, and the next row leaves the gap', async () => {
    const { log, userId } = setUp();
    await run(log, 'i-1', 'a', 'b');
    await asOwner('delete from mana_ai.decrypt_audit where user_id = $1 and seq > 2', userId);
    expect(await problemsOf(await log.page(WHOLE))).toEqual(['4 truncated']);
    await run(log, 'i-2', 'c');
    expect(await problemsOf(await log.page(WHOLE))).toEqual(['5 gap']);
    await run(log, 'i-3', 'd');
    expect(await problemsOf(await log.page(WHOLE))).toEqual(['5 gap']);
  });

  it('emptied', async () => {
    const { log, userId } = setUp();
    await run(log, 'i-1', 'a');
    await asOwner('delete from mana_ai.decrypt_audit where user_id = $1', userId);
    await run(log, 'i-2', 'b');
    expect(await problemsOf(await log.page(WHOLE))).toEqual(['3 gap']);
  });

  it('rewritten with good hashes: what follows names the row that is gone', async () => {
    const { log, userId } = setUp();
    await run(log, 'i-1', 'a');
    await asOwner('delete from mana_ai.decrypt_audit where user_id = $1', userId);
    await run(new AuditLog({ userId, database, head: new Memory() }), 'i-1', 'harmless');
    expect(await problemsOf(await log.page(WHOLE))).toEqual(['2 head-differs']);
    await run(log, 'i-2', 'b');
    expect(await problemsOf(await log.page(WHOLE))).toEqual(['3 broken-link']);
  });

  it('with a row put in that does not continue the chain', async () => {
    const { log, userId } = setUp();
    await run(log, 'i-1', 'a');
    await asOwner(
      `insert into mana_ai.decrypt_audit select user_id, 3, kind, mission_id, iteration_id, table_name, 'forged', status, reason, ts,
         attempt_seq, hash, 'forged' from mana_ai.decrypt_audit where user_id = $1 and seq = 1`,
      userId,
    );
    await run(log, 'i-2', 'b');
    expect(await problemsOf(await log.page(WHOLE))).toEqual([
      '3 broken-link',
      '3 altered-row',
      '4 broken-link',
    ]);
  });
});

describe('a page', () => {
  it('is filtered by mission and goes on after its last row', async () => {
    const { log } = setUp();
    for (const missionId of ['m-1', 'm-2', 'm-1'])
      await log.attempts(records('a', 'b'), { missionId, iterationId: 'i' });
    const first = await log.page({ missionId: 'm-1', limit: 3, after: 0 });
    expect([first.rows.map(({ seq }) => seq), first.next, first.head.seq]).toEqual([
      [1, 2, 5],
      5,
      6,
    ]);
    const second = await log.page({ missionId: 'm-1', limit: 3, after: 5 });
    expect([second.rows.map(({ seq }) => seq), 'next' in second]).toEqual([[6], false]);
    const exact = await log.page({ missionId: null, limit: 6, after: 0 });
    expect([exact.rows.length, 'next' in exact]).toEqual([6, false]);
    expect((await log.page({ missionId: 'm-3', limit: 3, after: 0 })).rows).toEqual([]);
  });

  it('comes from the object of its user, which keeps the head in its storage', async () => {
    const stub = bindings.USER_MISSIONS.getByName('audit-of-an-object');
    const writer = new AuditLog({ userId: 'audit-of-an-object', database, head: new Memory() });
    await run(writer, 'i-1', 'a');
    const answer = await stub.audit(WHOLE);
    expect(answer).toMatchObject({
      ok: true,
      page: { rows: [{ seq: 1 }, { seq: 2 }], head: { seq: 2 } },
    });
    const kept = await runInDurableObject(stub, (_instance, { storage }) =>
      new MissionStore(storage.sql).meta('audit_head'),
    );
    expect(JSON.parse(kept ?? 'null')).toMatchObject({ seq: 2 });
  });
});

describe('in Postgres', () => {
  it('the runner cannot change, delete or shorten what stands there', async () => {
    const { log, userId } = setUp();
    await run(log, 'i-1', 'a');
    const statements = [
      `update mana_ai.decrypt_audit set reason = 'x'`,
      'delete from mana_ai.decrypt_audit',
      'truncate mana_ai.decrypt_audit',
      `select mana_ai.compact_decrypt_audit('${userId}', now() - interval '2 days')`,
      'alter table mana_ai.decrypt_audit disable row level security',
    ];
    for (const text of statements) {
      const outcome = await pool.run({
        role: 'mana_ai_runner',
        userId,
        statements: [{ text, values: [] }],
      });
      expect(outcome).toMatchObject({ ok: false, failure: { sqlState: '42501' } });
    }
  });

  it('nobody sees or writes the rows of another user', async () => {
    const { log, userId } = setUp();
    await run(log, 'i-1', 'a');
    const insert = `insert into mana_ai.decrypt_audit values ('${userId}', 3, 'attempt', 'm', 'i', 't', 'r', 'pending', null,
      '2026-11-24T10:00:00.000Z', null, '', 'h')`;
    for (const other of ['somebody', null]) {
      const count = { text: 'select count(*)::text as n from mana_ai.decrypt_audit', values: [] };
      const seen = await pool.run({ role: 'mana_ai_runner', userId: other, statements: [count] });
      expect(seen).toEqual({ ok: true, results: [[{ n: '0' }]] });
      const written = await pool.run({
        role: 'mana_ai_runner',
        userId: other,
        statements: [{ text: insert, values: [] }],
      });
      expect(written).toMatchObject({ ok: false, failure: { sqlState: '42501' } });
    }
    const grants = await pool.run({
      role: 'mana_auth_service',
      userId,
      statements: [{ text: 'select 1 from mana_ai.decrypt_audit', values: [] }],
    });
    expect(grants).toMatchObject({ ok: false, failure: { sqlState: '42501' } });
  });
});

describe('retention', () => {
  it('replaces the old rows by one, never the outcome of an attempt that it takes', async () => {
    const { log, userId } = setUp();
    await run(log, 'i-1', 'a');
    const [slow] = await log.attempts(records('slow'), CONTEXT);
    await run(log, 'i-2', 'b');
    await age(userId, 5);
    await log.outcomes([{ attempt: slow!, status: 'ok', reason: null }]);
    expect(await compact(userId)).toBe('2');
    const { rows } = await log.page(WHOLE);
    expect(brief(rows)).toEqual([
      '2 checkpoint null ok',
      '3 attempt slow pending',
      '4 attempt b pending',
      '5 outcome b ok',
      '6 outcome slow ok',
    ]);
  });

  it('keeps the head where every row is old, and has nothing to do the second time', async () => {
    const { log, head, userId } = setUp();
    await run(log, 'i-1', 'a');
    await age(userId, 2);
    expect([await compact(userId), await compact(userId)]).toEqual(['2', '0']);
    const page = await log.page(WHOLE);
    expect(brief(page.rows)).toEqual(['2 checkpoint null ok']);
    expect([page.head, await problemsOf(page)]).toEqual([head.value, []]);
  });

  it('leaves the last day and other users alone', async () => {
    const { log, userId } = setUp();
    const other = setUp();
    await run(log, 'i-1', 'a');
    await run(other.log, 'i-1', 'a');
    await age(other.userId, 2);
    expect(await compact(userId)).toBe('0');
    expect((await other.log.page(WHOLE)).rows).toHaveLength(2);
    await expect(
      asOwner(`select mana_ai.compact_decrypt_audit($1, now())`, userId),
    ).rejects.toThrow('22023');
  });
});

/** Makes the first rows ten days old. Their hashes no longer fit, which no checkpoint looks at. */
async function age(userId: string, upTo: number): Promise<void> {
  await asOwner(
    `update mana_ai.decrypt_audit
     set ts = to_char((ts::timestamptz - interval '10 days') at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
     where user_id = $1 and seq <= $2::bigint`,
    userId,
    upTo,
  );
}

async function compact(userId: string): Promise<string | null | undefined> {
  const [row] = await asOwner(
    `select mana_ai.compact_decrypt_audit($1, now() - interval '5 days')::text as n`,
    userId,
  );
  return row?.['n'];
}
