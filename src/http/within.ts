/** What a question was answered with in time, or why there is no answer. */
export type Timely<Answer> =
  { ok: true; answer: Answer } | { ok: false; reason: 'late' | 'failed' };

/** Asks, and waits for at most `longestMs` milliseconds. Never throws. */
export async function within<Answer>(
  longestMs: number,
  ask: () => Promise<Answer>,
): Promise<Timely<Answer>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Timely<Answer>>((done) => {
    timer = setTimeout(() => done({ ok: false, reason: 'late' }), longestMs);
  });
  try {
    return await Promise.race([ask().then((answer) => ({ ok: true as const, answer })), late]);
  } catch {
    return { ok: false, reason: 'failed' };
  } finally {
    clearTimeout(timer);
  }
}
