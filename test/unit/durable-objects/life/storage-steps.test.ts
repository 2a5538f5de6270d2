import { describe, expect, it } from 'vitest';
import { AgendaStore } from '../../../../durable-objects/admission/agenda-store.ts';
import { addColumn, takeSteps } from '../../../../durable-objects/life/storage-steps.ts';
import { FeedStore } from '../../../../durable-objects/feed/feed-store.ts';
import { MissionStore } from '../../../../durable-objects/projection/mission-store.ts';
import { TokenBudget } from '../../../../durable-objects/run/token-budget.ts';
import { emptyState } from '../../../../src/sync/merge.ts';
import { memorySql } from '../sqlite.ts';

/** The same SQL, and the texts of the statements that ran over it. */
function recorded(sql: SqlStorage): { sql: SqlStorage; texts: string[] } {
  const texts: string[] = [];
  const exec: SqlStorage['exec'] = (text, ...values) => {
    texts.push(text);
    return sql.exec(text, ...values);
  };
  return { sql: { exec } as unknown as SqlStorage, texts };
}

/** The tables of one user as the last build without numbers made them, with a mission in every one. */
const UNNUMBERED = `
  create table meta (name text primary key, value text not null);
  insert into meta values ('cache_version', '2'), ('user_id', 'u'), ('complete', 'true'), ('turn_failures', '2');
  create table records (table_name text not null, record_id text not null, part integer not null, body text not null,
    primary key (table_name, record_id, part));
  insert into records values ('aiMissions', 'm', 0, '${JSON.stringify(emptyState())}');
  create table due (mission_id text primary key, due_ms integer not null);
  insert into due values ('m', 5);
  create table runs (run_id text not null, mission_id text not null, part integer not null, body text not null,
    primary key (run_id, part));
  insert into runs values ('r', 'm', 0, '{}');
  create table attempts (mission_id text primary key, failures integer not null, retry_at_ms integer not null,
    code text not null);
  insert into attempts values ('m', 1, 7, 'LLM_BAD_ANSWER');
  create table turns (mission_id text primary key, ended_ms integer not null);
  create table carriers (position integer primary key autoincrement, row_id text not null unique);
  create table occurrences (mission_id text not null, due_ms integer not null, fate text not null, at_ms integer not null,
    reason text, run_id text, primary key (mission_id, due_ms));
  insert into occurrences values ('m', 1, 'ran', 2, null, 'i');
  create table doubts (mission_id text primary key);
  create table holds (mission_id text primary key, reason text not null, until_ms integer not null);
  create table changes (mission_id text not null, iteration_id text not null, revision integer not null,
    primary key (mission_id, iteration_id));
  create index changes_by_revision on changes (revision);
`;

describe('storage steps', () => {
  it('are taken once: an object that has them is asked for its number and for nothing else', () => {
    const { sql, texts } = recorded(memorySql());
    const tables = { store: 's', steps: ['create table t (a text)', 'insert into t values (1)'] };
    takeSteps(sql, tables);
    texts.length = 0;
    takeSteps(sql, tables);
    expect(texts).toEqual(['select taken from storage_steps where store = ?']);
    expect(sql.exec('select a from t').toArray()).toHaveLength(1);
  });

  it('that are new are taken by old objects and by new ones, with the same tables in the end', () => {
    const first = [`create table if not exists t (a text)`];
    const all = [...first, addColumn('t', 'b', `integer not null default 7`)];
    const [old, fresh] = [memorySql(), memorySql()];
    takeSteps(old, { store: 's', steps: first });
    old.exec(`insert into t (a) values ('x')`);
    for (const sql of [old, fresh]) takeSteps(sql, { store: 's', steps: all });
    expect(old.exec('select * from t').toArray()).toEqual([{ a: 'x', b: 7 }]);
    const columns = `select name from pragma_table_info('t')`;
    expect(fresh.exec(columns).toArray()).toEqual(old.exec(columns).toArray());
  });

  it('of each store have a number of their own', () => {
    const sql = memorySql();
    takeSteps(sql, { store: 'a', steps: ['create table a (x text)'] });
    takeSteps(sql, { store: 'b', steps: ['create table b (x text)', 'create table c (x text)'] });
    expect(sql.exec('select * from storage_steps order by store').toArray()).toEqual([
      { store: 'a', taken: 1 },
      { store: 'b', taken: 2 },
    ]);
  });

  it('leave an object alone that a newer build has stored', () => {
    const sql = memorySql();
    takeSteps(sql, { store: 's', steps: ['create table t (a text)', 'create table u (a text)'] });
    takeSteps(sql, { store: 's', steps: ['create table t (a text)'] });
    expect(sql.exec('select taken from storage_steps').toArray()).toEqual([{ taken: 2 }]);
  });
});

describe('an object that a build without numbers stored', () => {
  it('is taken over with all that is in it', () => {
    const sql = memorySql();
    sql.exec(UNNUMBERED);
    const store = new MissionStore(sql);
    expect([store.isComplete(), store.recordIds('aiMissions')]).toEqual([true, ['m']]);
    expect(store.nextDue()).toEqual({ missionId: 'm', readyMs: 7 });
    expect(store.runOf('m')?.runId).toBe('r');
    expect(store.turnFailures()).toBe(2);
    expect(store.occurrences('m')).toHaveLength(1);
    expect(store.meta('user_id')).toBeNull();
  });

  it.each(['records', 'due', 'changes', 'holds', 'occurrences'])(
    'and whose cache is of another version gets its table %s again',
    (table) => {
      const sql = memorySql();
      sql.exec(UNNUMBERED);
      sql.exec(`drop table ${table}; update meta set value = '0' where name = 'cache_version';`);
      const store = new MissionStore(sql);
      expect([store.isComplete(), store.recordIds('aiMissions')]).toEqual([false, []]);
      expect(store.runOf('m')?.runId).toBe('r');
      expect(sql.exec(`select count(*) as n from ${table}`).toArray()).toHaveLength(1);
    },
  );
});

describe('the stores', () => {
  it.each([
    ['missions', (sql: SqlStorage) => new MissionStore(sql), 2],
    ['agenda', (sql: SqlStorage) => new AgendaStore(sql), 1],
    ['feed', (sql: SqlStorage) => new FeedStore(sql), 1],
    ['spendings', (sql: SqlStorage) => new TokenBudget(sql), 1],
  ])('%s: opening it again reads numbers alone', (_name, open, reads) => {
    const { sql, texts } = recorded(memorySql());
    open(sql);
    texts.length = 0;
    open(sql);
    expect(texts).toHaveLength(reads);
    expect(texts.filter((text) => !text.startsWith('select '))).toEqual([]);
  });
});
