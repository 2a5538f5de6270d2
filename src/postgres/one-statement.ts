import type { Database, DatabaseRole, Row, Statement } from './port.ts';

/** Who asks: `userId` is whose rows are visible, null for statements that touch no user's rows. */
export type Asker = { role: DatabaseRole; userId: string | null };

/**
 * Runs one statement in a transaction of its own.
 * @returns its rows
 * @throws PostgresError
 */
export async function ask(
  database: Database,
  asker: Asker,
  statement: Statement,
): Promise<readonly Row[]> {
  const [rows = []] = await database.transaction({ ...asker, statements: [statement] });
  return rows;
}
