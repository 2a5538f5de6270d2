import { connect } from 'cloudflare:sockets';

type Listener = (event: { data?: ArrayBuffer; error?: Error }) => void;

/**
 * The few parts of a WebSocket that the Neon driver uses, over a plain TCP socket: workerd reaches any Postgres without a proxy.
 * The driver builds it from `ws://host:port/` (see driver.ts); the socket belongs to the object whose event opens it.
 */
export class TcpWebSocket {
  binaryType = 'arraybuffer';
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #socket: Socket;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #closed = false;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect({
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || 5432),
    });
    this.#writer = this.#socket.writable.getWriter();
    // Started in the next microtask: the driver adds its listeners right after construction.
    queueMicrotask(() => void this.#run());
  }

  addEventListener(type: string, listener: Listener): void {
    const known = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, known.add(listener));
  }

  send(bytes: Uint8Array): void {
    this.#writer.write(bytes).catch((cause: unknown) => this.#fail(cause));
  }

  close(): void {
    this.#finish();
    this.#socket.close().catch(() => undefined);
  }

  async #run(): Promise<void> {
    try {
      await this.#socket.opened;
      this.#emit('open', {});
      await this.#pump();
      this.#finish();
    } catch (cause) {
      this.#fail(cause);
    }
  }

  async #pump(): Promise<void> {
    const reader = this.#socket.readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const bytes = value as Uint8Array<ArrayBuffer>;
      this.#emit('message', {
        data: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
      });
    }
  }

  #fail(cause: unknown): void {
    if (this.#closed) return;
    const error =
      cause instanceof Error ? cause : new Error('the TCP connection to Postgres broke');
    this.#closed = true;
    // The driver takes whatever the error event carries as the Error itself, so an Error it must be.
    for (const listener of this.#listeners.get('error') ?? [])
      listener(error as unknown as { error: Error });
    this.#emit('close', {});
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#emit('close', {});
  }

  #emit(type: string, event: { data?: ArrayBuffer }): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }
}
