import type { Client } from 'pg';

export type RowCount = { table: string; rows: number };

/** Tables of ours that say whose their rows are, as SQL writes their names. */
async function tablesOfUsers(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_catalog.pg_class c
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'user_id' and not a.attisdropped
     where c.relkind in ('r', 'p') and n.nspname in ('mana_ai', 'mana_auth') order by 1`,
  );
  return rows.map(({ name }) => name);
}

/**
 * Deletes a person's rows in one transaction, in our tables and those named besides; answers how
 * many went.
 */
export async function deleteRowsOf(
  client: Client,
  userId: string,
  besides: readonly string[],
): Promise<RowCount[]> {
  return asUser(client, userId, async () => {
    const counts: RowCount[] = [];
    // Deleting rows of the log notes no change, but a row that is left in the outbox would make the
    // feed register this person again.
    for (const table of [...besides, ...(await tablesOfUsers(client))]) {
      const { rowCount } = await client.query(`delete from ${table} where user_id = $1`, [userId]);
      counts.push({ table, rows: rowCount ?? 0 });
    }
    return counts;
  });
}

/** How many rows a person has, in our tables and those named besides. */
export async function countRowsOf(
  client: Client,
  userId: string,
  besides: readonly string[],
): Promise<RowCount[]> {
  return asUser(client, userId, async () => {
    const counts: RowCount[] = [];
    for (const table of [...besides, ...(await tablesOfUsers(client))]) {
      const { rows } = await client.query<{ n: string }>(
        `select count(*) as n from ${table} where user_id = $1`,
        [userId],
      );
      counts.push({ table, rows: Number(rows[0]?.n ?? 0) });
    }
    return counts;
  });
}

/**
 * An owner without rights beyond that sees, under the forced policies, the rows of the user it
 * names.
 */
async function asUser<T>(client: Client, userId: string, work: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    await client.query(`select set_config('app.current_user_id', $1, true)`, [userId]);
    const result = await work();
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}
