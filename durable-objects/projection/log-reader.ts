import { ask } from '../../src/postgres/one-statement.ts';
import type { Database, Row, Statement } from '../../src/postgres/port.ts';
import { type ChangeRow, parseChangeRow } from '../../src/sync/change-row.ts';
import { type ChangeCursor, FROM_THE_BEGINNING, isLastPage } from '../../src/sync/queries.ts';

/** One user's rows of the log, under row-level security. */
export class LogReader {
  readonly #userId: string;
  readonly #database: Database;

  constructor(options: { userId: string; database: Database }) {
    this.#userId = options.userId;
    this.#database = options.database;
  }

  /** @throws PostgresError */
  async query(statement: Statement): Promise<readonly Row[]> {
    return ask(this.#database, { role: 'mana_ai_runner', userId: this.#userId }, statement);
  }

  /** Several statements that succeed or fail together; the rows of each. @throws PostgresError */
  async queryAll(statements: readonly Statement[]): Promise<readonly (readonly Row[])[]> {
    return this.#database.transaction({
      role: 'mana_ai_runner',
      userId: this.#userId,
      statements,
    });
  }

  /** The rows in log order, page by page: a long history is never in memory as a whole. */
  async *changes(page: (cursor: ChangeCursor) => Statement): AsyncGenerator<ChangeRow> {
    for await (const rows of this.pages(page, FROM_THE_BEGINNING)) yield* rows;
  }

  async *pages(
    page: (cursor: ChangeCursor) => Statement,
    start: ChangeCursor,
  ): AsyncGenerator<readonly ChangeRow[]> {
    for (let cursor: ChangeCursor | null = start; cursor !== null;) {
      const rows: readonly Row[] = await this.query(page(cursor));
      yield rows.map(parseChangeRow);
      const last = rows.at(-1);
      cursor =
        last === undefined || isLastPage(rows)
          ? null
          : { kind: 'after', createdAt: last['cursor_at'] ?? '', id: last['id'] ?? '' };
    }
  }
}
