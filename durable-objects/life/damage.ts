import { PostgresError } from '../../src/postgres/errors.ts';

/** SQLite's result codes of a file that is damaged. */
const DAMAGE = /SQLITE_(?:CORRUPT|NOTADB)/;

/**
 * Whether the storage of an object is damaged, judged by what its work threw. workerd hides what
 * SQLite says behind an internal error, so SQLite is asked again.
 * @see SQLite manual, "PRAGMA quick_check"
 */
export function isDamaged(sql: SqlStorage, thrown: unknown): boolean {
  if (thrown instanceof PostgresError) return false;
  if (thrown instanceof Error && DAMAGE.test(thrown.message)) return true;
  try {
    const [row] = sql.exec<{ quick_check: string }>('pragma quick_check').toArray();
    return row?.quick_check !== 'ok';
  } catch {
    return true;
  }
}
