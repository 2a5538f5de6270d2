/**
 * Numbered steps for the tables of a store, as migrations are for PostgreSQL.
 *
 * To add a column, append one line to the store's steps:
 *
 *     addColumn('holds', 'agent_id', 'text'),
 *
 * and to add a table, append its text: `create table if not exists ...`. A step that has landed is
 * never changed, moved or removed, since objects in the field have taken it already. Each step is
 * safe to repeat: an object that an older build stored without a number takes them all, over the
 * tables that it has.
 *
 * The numbers are in a table of their own, one row a store, because SQLite in an object allows no
 * `PRAGMA user_version`.
 */

/** Statements, or a function that runs some. */
export type StorageStep = string | ((sql: SqlStorage) => void);

/** A store's tables: `store` names its number, which is the count of the steps that were taken. */
export type StorageSteps = { store: string; steps: readonly StorageStep[] };

/**
 * Takes the steps that are new to this object. An object that has them all is only asked for its
 * number.
 */
export function takeSteps(sql: SqlStorage, { store, steps }: StorageSteps): void {
  const taken = takenSteps(sql, store);
  if (taken >= steps.length) return;
  runSteps(sql, { store, steps: steps.slice(taken) }, steps.length);
}

/** Takes all steps once more: after tables were dropped, they are there again. */
export function repeatSteps(sql: SqlStorage, { store, steps }: StorageSteps): void {
  runSteps(sql, { store, steps }, steps.length);
}

/**
 * A step that adds a column, unless it is there. `definition` is a type with what else SQLite needs
 * (`integer not null default 0`).
 */
export function addColumn(table: string, column: string, definition: string): StorageStep {
  return (sql) => {
    const columns = sql.exec<{ name: string }>(`select name from pragma_table_info('${table}')`);
    if (columns.toArray().some(({ name }) => name === column)) return;
    sql.exec(`alter table ${table} add column ${column} ${definition}`);
  };
}

/**
 * One synchronous step of the object, and so one commit: a crash leaves either all of the steps or
 * none.
 */
function runSteps(sql: SqlStorage, { store, steps }: StorageSteps, number: number): void {
  for (const step of steps) {
    if (typeof step === 'string') sql.exec(step);
    else step(sql);
  }
  sql.exec(`insert or replace into storage_steps (store, taken) values (?, ?)`, store, number);
}

/** 0 for an object that is new, or that an older build stored without a number. */
function takenSteps(sql: SqlStorage, store: string): number {
  const query = `select taken from storage_steps where store = ?`;
  try {
    return sql.exec<{ taken: number }>(query, store).toArray()[0]?.taken ?? 0;
  } catch {
    // The object has no such table. To create it at each opening would cost a statement more for
    // all who have it.
    sql.exec(`create table if not exists storage_steps (
      store text primary key, taken integer not null
    );`);
    return 0;
  }
}
