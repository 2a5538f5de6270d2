import { DatabaseSync } from 'node:sqlite';

/** What a store needs of an object's SQLite, over Node's own: enough to test its statements without a runtime around them. */
export function memorySql(): SqlStorage {
  const database = new DatabaseSync(':memory:');
  const exec = (text: string, ...values: (string | number | null)[]) => {
    if (values.length === 0 && text.includes(';')) {
      database.exec(text);
      return cursor([]);
    }
    return cursor(database.prepare(text).all(...values));
  };
  return { exec } as unknown as SqlStorage;
}

function cursor(rows: unknown[]) {
  return { toArray: () => rows, one: () => rows[0] };
}
