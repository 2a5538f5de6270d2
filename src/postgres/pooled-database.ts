import { PostgresError, type PostgresFailure } from './errors.ts';
import type { Database, Row, TransactionRequest } from './port.ts';

export type TransactionOutcome =
  { ok: true; results: readonly (readonly Row[])[] } | { ok: false; failure: PostgresFailure };

export type PostgresHealth = {
  ok: boolean;
  since?: string;
  error?: { code: string; message: string };
};

/** What the pool object offers to the other objects and Workers. */
export interface TransactionRunner {
  run(request: TransactionRequest): Promise<TransactionOutcome>;
}

/**
 * The Database port over the pool object: its tagged outcome becomes rows or a thrown
 * PostgresError.
 */
export function pooledDatabase(pool: TransactionRunner): Database {
  return {
    async transaction(request) {
      const outcome = await pool.run(request);
      if (!outcome.ok) throw new PostgresError(outcome.failure);
      return outcome.results;
    },
  };
}
