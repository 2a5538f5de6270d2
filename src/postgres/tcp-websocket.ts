import { connect } from 'cloudflare:sockets';
import { startPostgresTls } from './start-tls.ts';

type Listener = (event: { data?: ArrayBuffer; error?: Error }) => void;

/**
 * The few parts of a WebSocket that the Neon driver uses, over a plain TCP socket: workerd reaches
 * any Postgres without a proxy. The driver builds it from `ws://host:port/` (see driver.ts); the
 * socket belongs to the object whose event opens it.
 */
export class TcpWebSocket {
  binaryType = 'arraybuffer';
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #opening: Promise<Socket>;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #closed = false;

  constructor(url: string) {
    this.#opening = openSocket(new URL(url));
    this.#opening.catch(() => undefined);
    // Started in the next microtask: the driver adds its listeners right after construction.
    queueMicrotask(() => void this.#run());
  }

  addEventListener(type: string, listener: Listener): void {
    const known = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, known.add(listener));
  }

  send(bytes: Uint8Array): void {
    if (this.#writer === undefined) return this.#fail(new Error('the connection is not open yet'));
    this.#writer.write(bytes).catch((cause: unknown) => this.#fail(cause));
  }

  close(): void {
    this.#finish();
    this.#opening.then((socket) => socket.close()).catch(() => undefined);
  }

  async #run(): Promise<void> {
    try {
      const socket = await this.#opening;
      this.#writer = socket.writable.getWriter();
      this.#emit('open', {});
      await this.#pump(socket);
      this.#finish();
    } catch (cause) {
      this.#fail(cause);
    }
  }

  async #pump(socket: Socket): Promise<void> {
    const reader = socket.readable.getReader();
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
    // The driver takes whatever the error event carries as the Error itself, so an Error it must
    // be.
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

/** The path `/tls` asks for an encrypted connection (driver.ts). */
async function openSocket({ hostname, port, pathname }: URL): Promise<Socket> {
  const host = hostname.replace(/^\[|\]$/g, '');
  const address = { hostname: host, port: Number(port || 5432) };
  const encrypted = pathname === '/tls';
  const secureTransport = encrypted ? 'starttls' : 'off';
  const opened = connect(address, { secureTransport, allowHalfOpen: false });
  const socket = encrypted ? await startPostgresTls(opened, host) : opened;
  await socket.opened;
  return socket;
}
