import type { Row, Statement } from './port.ts';

/**
 * The part of the driver's protocol connection that a pipeline writes to (PostgreSQL manual, 54.2.4
 * "Pipelining").
 */
type ProtocolConnection = {
  parse(query: { text: string; name: string }): void;
  bind(config: { values: readonly (string | null)[] }): void;
  describe(message: { type: 'P'; name: string }): void;
  execute(config: { portal: string }): void;
  sync(): void;
};

type RowDescription = { fields: readonly { name: string }[] };
type DataRow = { fields: readonly (string | null)[] };

/**
 * Several statements and their transaction as one "query" of the driver: everything is sent before
 * the first answer is awaited, so that a transaction costs one round trip. A failing statement
 * makes the server skip the rest up to Sync; the caller rolls back.
 */
export class TransactionPipeline {
  readonly completed: Promise<readonly (readonly Row[])[]>;
  /** Set and called by the driver. */
  callback: (() => void) | undefined;
  readonly #statements: readonly Statement[];
  readonly #results: Row[][] = [];
  #rows: Row[] = [];
  #columns: readonly string[] = [];
  #resolve!: (results: readonly (readonly Row[])[]) => void;
  #reject!: (error: Error) => void;

  constructor(statements: readonly Statement[]) {
    this.#statements = [plain('begin'), ...statements, plain('commit')];
    this.completed = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(connection: ProtocolConnection): null {
    for (const { text, values } of this.#statements) {
      connection.parse({ text, name: '' });
      connection.bind({ values: values.map(toText) });
      connection.describe({ type: 'P', name: '' });
      connection.execute({ portal: '' });
    }
    connection.sync();
    return null;
  }

  handleRowDescription(message: RowDescription): void {
    this.#columns = message.fields.map((field) => field.name);
  }

  handleDataRow(message: DataRow): void {
    this.#rows.push(
      Object.fromEntries(this.#columns.map((name, index) => [name, message.fields[index] ?? null])),
    );
  }

  handleCommandComplete(): void {
    this.#results.push(this.#rows);
    this.#rows = [];
    this.#columns = [];
  }

  handleReadyForQuery(): void {
    this.#resolve(this.#results.slice(1, -1));
    this.callback?.();
  }

  handleError(error: Error): void {
    this.#reject(error);
    this.callback?.();
  }
}

function plain(text: string): Statement {
  return { text, values: [] };
}

function toText(value: Statement['values'][number]): string | null {
  return value === null ? null : String(value);
}
