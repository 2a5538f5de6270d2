import { Client, type ClientConfig, neonConfig } from '@neondatabase/serverless';
import { TcpWebSocket } from './tcp-websocket.ts';

/** Longest time one statement may take on the server, in milliseconds. */
const STATEMENT_TIMEOUT_MS = 15_000;

/** Longest wait for a connection to open or to become free, in milliseconds. */
export const CONNECTION_TIMEOUT_MS = 5_000;

/** Points the driver's socket at plain TCP. Process-wide and idempotent; called before the first connection is opened. */
export function useTcpTransport(): void {
  neonConfig.webSocketConstructor = TcpWebSocket as unknown as typeof WebSocket;
  neonConfig.useSecureWebSocket = false;
  neonConfig.pipelineConnect = false;
  neonConfig.wsProxy = (host, port) => `${host.includes(':') ? `[${host}]` : host}:${port}/`;
}

export function connectionSettings(databaseUrl: string, applicationName: string): ClientConfig {
  return {
    connectionString: databaseUrl,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
  };
}

/** A single connection outside the pool, for LISTEN. */
export function createClient(databaseUrl: string, applicationName: string): Client {
  useTcpTransport();
  return new Client(connectionSettings(databaseUrl, applicationName));
}
