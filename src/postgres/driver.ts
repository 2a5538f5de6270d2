import { Client, type ClientConfig, neonConfig } from '@neondatabase/serverless';
import { TcpWebSocket } from './tcp-websocket.ts';

/** Longest wait for a connection to open or to become free, in milliseconds. */
export const CONNECTION_TIMEOUT_MS = 5_000;

/** `url` says nothing about TLS; `encrypt` does. */
export type TcpTarget = { url: string; encrypt: boolean };

/**
 * `host:port` of the databases that this Worker itself must encrypt (Cloudflare; not behind an
 * egress).
 */
const encrypted = new Set<string>();

/**
 * Points the driver's socket at TCP. Process-wide and idempotent; called before the first
 * connection is opened.
 */
export function useTcpTransport(): void {
  neonConfig.webSocketConstructor = TcpWebSocket as unknown as typeof WebSocket;
  neonConfig.useSecureWebSocket = false;
  neonConfig.pipelineConnect = false;
  neonConfig.wsProxy = (host, port) => {
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    return `${address}/${encrypted.has(address) ? 'tls' : ''}`;
  };
}

/**
 * @param target where PostgreSQL is; no parameter is sent at the connection's start but the name of
 *   the application, since poolers refuse those that they do not know
 */
export function connectionSettings(target: TcpTarget, applicationName: string): ClientConfig {
  const { hostname, port } = new URL(target.url);
  if (target.encrypt) encrypted.add(`${hostname}:${port || '5432'}`);
  return {
    connectionString: target.url,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
  };
}

/** A single connection outside the pool, for LISTEN. */
export function createClient(target: TcpTarget, applicationName: string): Client {
  useTcpTransport();
  return new Client(connectionSettings(target, applicationName));
}
