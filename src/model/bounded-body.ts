/** `heard`: is given each piece of the text as it comes. */
type Listening = { signal?: AbortSignal; heard?: (text: string) => void };

/**
 * The text of a reply, read no further than `most` bytes; null where there is more. A server that never stops must not fill the
 * memory. Throws what the connection or an aborted `signal` throws.
 */
export async function readBoundedText(
  response: Response,
  most: number,
  { signal, heard }: Listening = {},
): Promise<string | null> {
  if (response.body === null) return '';
  const reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const cancel = (): void => void reader.cancel().catch(() => undefined);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    const decoder = new TextDecoder();
    let text = '';
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      // A cancelled reader says that it is done.
      if (signal?.aborted === true) throw new Error('the body was given up');
      if (done) return text + decoder.decode();
      size += value.byteLength;
      if (size > most) {
        cancel();
        return null;
      }
      const piece = decoder.decode(value, { stream: true });
      heard?.(piece);
      text += piece;
    }
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}
