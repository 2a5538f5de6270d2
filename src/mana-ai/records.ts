import { PersonRecords, type RecordPage } from '../../durable-objects/projection/person-records.ts';
import { POOL_NAME, type RunnerEnv } from '../../durable-objects/bindings.ts';
import { PostgresError } from '../postgres/errors.ts';
import { pooledDatabase } from '../postgres/pooled-database.ts';
import type { RecordsAnswer, RecordsPort } from './routes/records.ts';

/** One person's records, read through the pool: nothing of them is kept in an object. */
export function recordsOf(env: RunnerEnv, userId: string): RecordsPort {
  const database = pooledDatabase(env.POSTGRES_POOL.getByName(POOL_NAME));
  const records = new PersonRecords({ userId, database });
  const answered = async (read: () => Promise<RecordPage>): Promise<RecordsAnswer> => {
    try {
      const [page, sealing] = await Promise.all([read(), records.sealing()]);
      return { ...page, sealing };
    } catch (thrown) {
      if (thrown instanceof PostgresError) return null;
      throw thrown;
    }
  };
  return {
    page: (query) => answered(() => records.page(query)),
    find: (refs, withDeleted) =>
      answered(async () => ({ records: await records.find(refs, withDeleted), next: null })),
  };
}
