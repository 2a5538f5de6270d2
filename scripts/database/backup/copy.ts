/** PostgreSQL's COPY over the driver's protocol connection: exact for every type, in constant memory (manual, 54.2.6 "COPY Operations"). */
import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import type { Duplex, Writable } from 'node:stream';
import type { Client } from 'pg';

/** The part of the driver's connection that COPY needs; its types leave some of it out. */
type ProtocolConnection = {
  stream: Duplex;
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
};

/** What the driver calls of a "query" that it was given ready made. */
class Copy {
  readonly completed: Promise<number>;
  /** Set and called by the driver. */
  callback: (() => void) | undefined;
  readonly #text: string;
  #rows = 0;
  #resolve!: (rows: number) => void;
  #reject!: (error: Error) => void;

  constructor(text: string) {
    this.#text = text;
    this.completed = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(connection: ProtocolConnection): null {
    connection.query(this.#text);
    return null;
  }

  /** The tag says how many: COPY 42. */
  handleCommandComplete({ text }: { text: string }): void {
    this.#rows = Number(text.split(' ')[1] ?? 0);
  }

  handleError(error: Error): void {
    this.#reject(error);
    this.callback?.();
  }

  handleReadyForQuery({ stream }: ProtocolConnection): void {
    // The rows are all here: a stream that ends its writing tells of no room any more.
    stream.resume();
    this.#resolve(this.#rows);
    this.callback?.();
  }
}

class CopyOut extends Copy {
  readonly #sink: Writable;

  constructor(text: string, sink: Writable) {
    super(text);
    this.#sink = sink;
  }

  handleCopyData({ chunk }: { chunk: Buffer }, { stream }: ProtocolConnection): void {
    // The driver's buffer is used again. What it has read already comes on, paused or not.
    if (this.#sink.write(Buffer.from(chunk)) || stream.isPaused()) return;
    stream.pause();
    this.#sink.once('drain', () => stream.resume());
  }
}

class CopyIn extends Copy {
  readonly #source: AsyncIterable<Buffer>;

  constructor(text: string, source: AsyncIterable<Buffer>) {
    super(text);
    this.#source = source;
  }

  handleCopyInResponse(connection: ProtocolConnection): void {
    void this.#send(connection).catch((thrown: unknown) => {
      connection.sendCopyFail(
        thrown instanceof Error ? thrown.message : 'the file could not be read',
      );
    });
  }

  async #send(connection: ProtocolConnection): Promise<void> {
    for await (const chunk of this.#source) {
      connection.sendCopyFromChunk(chunk);
      if (connection.stream.writableNeedDrain) await once(connection.stream, 'drain');
    }
    connection.endCopyFrom();
  }
}

/** Writes what `select` (a table with its columns, or a query in parentheses) holds to a file; returns the number of rows. */
export async function copyToFile(client: Client, select: string, path: string): Promise<number> {
  const sink = createWriteStream(path, { mode: 0o600, flags: 'wx' });
  const failed = once(sink, 'error').then(([error]) => Promise.reject(error as Error));
  const copy = new CopyOut(`copy ${select} to stdout`, sink);
  client.query(copy as never);
  const rows = await Promise.race([copy.completed, failed]);
  await Promise.race([new Promise<void>((done) => sink.end(() => done())), failed]);
  return rows;
}

/** Reads a file of `copyToFile` into a table; returns the number of rows. */
export async function copyFromFile(client: Client, into: string, path: string): Promise<number> {
  const copy = new CopyIn(
    `copy ${into} from stdin`,
    createReadStream(path) as AsyncIterable<Buffer>,
  );
  client.query(copy as never);
  return copy.completed;
}
