/** SSLRequest (PostgreSQL manual, 54.2.10 "SSL Session Encryption"): length 8, code 80877103. */
const SSL_REQUEST = new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]);

const ACCEPTED = 'S'.charCodeAt(0);

/** PostgreSQL, or what stands in its place, would go on without TLS. */
export class TlsRefusedError extends Error {
  override name = 'TlsRefusedError';
}

/**
 * Asks PostgreSQL for TLS and starts it.
 * @param socket opened with `secureTransport: 'starttls'`, nothing sent or read yet
 * @param serverName the name that the server's certificate must hold
 * @returns the socket to speak over from now on
 * @throws TlsRefusedError where the server answers anything but its consent
 */
export async function startPostgresTls(socket: Socket, serverName: string): Promise<Socket> {
  await send(socket, SSL_REQUEST);
  const answer = await receive(socket);
  // Anything behind the one byte came before TLS: somebody in between may have put it there
  // (CVE-2021-23222).
  if (answer.length !== 1 || answer[0] !== ACCEPTED)
    throw new TlsRefusedError('PostgreSQL does not offer TLS');
  return socket.startTls({ expectedServerHostname: serverName });
}

async function send(socket: Socket, bytes: Uint8Array): Promise<void> {
  const writer = socket.writable.getWriter();
  try {
    await writer.write(bytes);
  } finally {
    writer.releaseLock();
  }
}

async function receive(socket: Socket): Promise<Uint8Array> {
  const reader = socket.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  try {
    const { value } = await reader.read();
    return value ?? new Uint8Array();
  } finally {
    reader.releaseLock();
  }
}
