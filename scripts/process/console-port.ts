import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { parseConsoleConfig } from '../../src/config/console.ts';
import { type Environment, StartError } from './environment.ts';

/** Where the console listens, what people open, and the environment that says so to the Workers. */
export type ConsoleStart = { port: number; origin: string; environment: Environment };

/**
 * The console's port. One that nobody chose gives way where something else has it: the Workers are
 * worth starting without it.
 * @throws StartError for a malformed variable
 */
export async function consoleOn(given: Environment, host: string): Promise<ConsoleStart> {
  const { port, origins } = configOf(given);
  if (given['MANA_CONSOLE_PORT'] || (await listens(port, host)) !== null)
    return { port, origin: origins[0], environment: given };
  const other = await listens(0, host);
  if (other === null) throw new StartError('MANA_CONSOLE_PORT: no port is free');
  const environment = { ...given, MANA_CONSOLE_PORT: String(other) };
  const [origin] = configOf(environment).origins;
  process.stderr.write(
    `port ${port} is taken, so the console is on ${other}; MANA_CONSOLE_PORT chooses one\n`,
  );
  return { port: other, origin, environment };
}

function configOf(environment: Environment): {
  port: number;
  origins: readonly [string, ...string[]];
} {
  const parsed = parseConsoleConfig(environment);
  if (!parsed.ok) throw new StartError(`${parsed.variable} ${parsed.message}`);
  return parsed.config;
}

/** The port that could be listened on, null where it is taken. */
async function listens(port: number, host: string): Promise<number | null> {
  const server = createServer();
  try {
    await new Promise<void>((done, failed) => {
      server.once('error', failed);
      server.listen(port, host, done);
    });
    return (server.address() as AddressInfo).port;
  } catch {
    return null;
  } finally {
    await new Promise((done) => server.close(done));
  }
}
