import type { Database, Row, TransactionRequest } from '../../../src/postgres/port.ts';

/** A database that nobody may ask. */
export const noDatabase: Database = {
  transaction: () => Promise.reject(new Error('the database was asked')),
};

/** A database that answers each transaction with the next of the given rows (one list per statement), and remembers what it was asked. */
export function scriptedDatabase(
  ...answers: (readonly Row[])[][]
): Database & { asked: TransactionRequest[] } {
  const asked: TransactionRequest[] = [];
  return {
    asked,
    async transaction(request) {
      asked.push(request);
      const answer = answers.shift();
      if (answer === undefined) throw new Error('no answer is left');
      return answer;
    },
  };
}
