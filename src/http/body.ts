import type { MiddlewareHandler } from 'hono';

/**
 * How much of an unwanted body is read and thrown away. The connection of a client that sends more
 * is closed.
 */
const MOST_DRAINED_BYTES = 16 * 1_024 * 1_024;

/**
 * Reads what a route has left of a request's body before the answer goes out. Most clients send the
 * whole body before they read; without this they would see a broken connection in place of the
 * refusal.
 */
export const drainedBodies: MiddlewareHandler = async (c, next) => {
  await next();
  const { body } = c.req.raw;
  if (body !== null && !body.locked) await drain(body.getReader(), MOST_DRAINED_BYTES);
};

/** The body's bytes, or null if there are more than that; the rest is then read and thrown away. */
export async function readBounded(
  request: Request,
  mostBytes: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (request.body === null) return new Uint8Array(0);
  const reader = request.body.getReader();
  const bytes = new Uint8Array(mostBytes);
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes.subarray(0, length);
    if (length + value.length > mostBytes) {
      await drain(reader, MOST_DRAINED_BYTES);
      return null;
    }
    bytes.set(value, length);
    length += value.length;
  }
}

async function drain(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  mostBytes: number,
): Promise<void> {
  let length = 0;
  try {
    while (length <= mostBytes) {
      const { done, value } = await reader.read();
      if (done) return;
      length += value.length;
    }
    await reader.cancel();
  } catch {
    // If the client has gone, there is nothing left to read.
  }
}
