import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Client } from 'pg';
import { from, to } from 'pg-copy-streams';

/**
 * Writes what `select` (a table with its columns, or a query in parentheses) holds to a new file,
 * by PostgreSQL's COPY: exact for every type, in constant memory.
 * @returns the number of rows
 * @throws what the database or the file system says; the connection is ended then, since rows of
 * the COPY that nobody takes would hold up every later query
 */
export async function copyToFile(client: Client, select: string, path: string): Promise<number> {
  const rows = client.query(to(`copy ${select} to stdout`));
  try {
    await pipeline(rows, createWriteStream(path, { mode: 0o600, flags: 'wx' }));
    // The number of rows may come in a packet behind the last row, the answer to this comes later.
    await client.query('');
    return rows.rowCount;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/** Reads a file of `copyToFile` into a table; returns the number of rows. */
export async function copyFromFile(client: Client, into: string, path: string): Promise<number> {
  const rows = client.query(from(`copy ${into} from stdin`));
  await pipeline(createReadStream(path), rows);
  return rows.rowCount;
}
