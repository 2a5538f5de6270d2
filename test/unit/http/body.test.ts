import { Hono } from 'hono';
import { describe, expect, test } from 'vitest';
import { drainedBodies, readBounded } from '../../../src/http/body.ts';

/** A body in pieces of that many bytes, and how much of it was taken. */
function inPieces(...sizes: number[]): { body: ReadableStream<Uint8Array>; taken: () => number } {
  let taken = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const size = sizes.shift();
        if (size === undefined) return controller.close();
        taken += size;
        controller.enqueue(new Uint8Array(size).fill(1));
      },
    },
    { highWaterMark: 0 },
  );
  return { body, taken: () => taken };
}

const request = (body: ReadableStream<Uint8Array> | null): Request =>
  new Request('http://x/', { method: 'POST', ...(body === null ? {} : { body, duplex: 'half' }) });

describe('a bounded body', () => {
  test('is read whole up to the limit, and not at all above it, in whatever pieces it comes', async () => {
    expect(await readBounded(request(inPieces(3, 5, 2).body), 10)).toEqual(
      new Uint8Array(10).fill(1),
    );
    expect(await readBounded(request(null), 10)).toEqual(new Uint8Array(0));
    const larger = inPieces(3, 5, 3, 1_000);
    expect(await readBounded(request(larger.body), 10)).toBeNull();
    expect(larger.taken()).toBe(1_011);
  });

  test('is no longer taken in where it does not end', async () => {
    const endless = inPieces(...Array.from({ length: 100 }, () => 1_024 * 1_024));
    expect(await readBounded(request(endless.body), 10)).toBeNull();
    expect(endless.taken()).toBeLessThan(20 * 1_024 * 1_024);
  });
});

test('what a route leaves of a body is read before the answer, and a reader that breaks off is no error', async () => {
  const app = new Hono().use(drainedBodies).post('/', (c) => c.text('refused', 401));
  const left = inPieces(1_000, 1_000);
  expect((await app.request(request(left.body))).status).toBe(401);
  expect(left.taken()).toBe(2_000);
  const broken = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error('gone')),
  });
  expect((await app.request(request(broken))).status).toBe(401);
});
