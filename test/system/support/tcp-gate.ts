import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

export type TcpGate = {
  port: number;
  /** connections accepted so far */
  accepted(): number;
  /** lets everything through, in both directions */
  open(): void;
  /** ends every connection and refuses new ones */
  refuse(): Promise<void>;
  /** takes connections and bytes, and answers nothing; nor do the connections that stand */
  swallow(): void;
  close(): Promise<void>;
};

/** A TCP port in front of another one, which a test can break in the ways in which networks and servers do. */
export async function openTcpGate(targetPort: number): Promise<TcpGate> {
  const sockets = new Set<Socket>();
  let swallowing = false;
  let accepted = 0;
  const server = createServer((client) => {
    accepted += 1;
    const target = connect({ port: targetPort, host: '127.0.0.1' });
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes: Buffer) => {
        if (!swallowing) to.write(bytes);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  const listen = (port: number): Promise<void> =>
    new Promise((done) => void server.listen(port, '127.0.0.1', () => done()));
  const refuse = (): Promise<void> =>
    new Promise((done) => {
      server.close(() => done());
      for (const socket of sockets) socket.destroy();
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    accepted: () => accepted,
    open: () => {
      swallowing = false;
      if (!server.listening) void listen(port);
      // What was swallowed is missing: a connection that lived through it is worth nothing.
      else for (const socket of sockets) socket.destroy();
    },
    refuse,
    swallow: () => {
      swallowing = true;
    },
    close: async () => {
      if (server.listening) await refuse();
    },
  };
}
