import { LOOPBACK } from './locality.ts';
import { type ConfigRefusal, type Environment, parseVariables } from './parse.ts';

/** Where people open the console. */
export type ConsoleConfig = {
  port: number;
  /** the origin that links name comes first; a machine's own names of itself follow */
  origins: readonly [string, ...string[]];
  /** the host name that passkeys belong to; null for an address, which can have none */
  rpId: string | null;
};

/** The console's addresses; without an origin it stands on this machine. */
export function consoleOf(port: number, origin: URL | null): ConsoleConfig {
  const url = origin ?? new URL(`http://localhost:${port}`);
  const others = LOOPBACK.includes(url.hostname)
    ? LOOPBACK.map((host) => siblingOf(url, host))
    : [];
  return {
    port,
    origins: [url.origin, ...others.filter((other) => other !== url.origin)],
    rpId: isAddress(url.hostname) ? null : url.hostname,
  };
}

function isAddress(hostname: string): boolean {
  return hostname.startsWith('[') || /^\d+(\.\d+){3}$/.test(hostname);
}

function siblingOf({ protocol, port }: URL, host: string): string {
  return `${protocol}//${host}${port === '' ? '' : `:${port}`}`;
}

/** The console's part of the environment. Stops at the first malformed variable. */
export function parseConsoleConfig(
  environment: Environment,
): { ok: true; config: ConsoleConfig } | ConfigRefusal {
  const parsed = parseVariables(environment, ['commands']);
  if (!parsed.ok) return parsed;
  const { MANA_CONSOLE_PORT: port, MANA_CONSOLE_ORIGIN: origin } = parsed.values;
  return { ok: true, config: consoleOf(port, origin) };
}
