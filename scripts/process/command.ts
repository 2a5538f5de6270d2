import { StartError } from './environment.ts';

const cleanups: (() => Promise<void>)[] = [];
let stopping = false;

/**
 * What has to be ended when this command ends, however it ends; the last one registered is the
 * first to be ended.
 */
export function atStop(cleanup: () => Promise<void>): void {
  cleanups.push(cleanup);
}

/**
 * Runs a long-lived command. SIGTERM and SIGINT, at any moment, end what it started and exit with
 * 0; a StartError is one line on stderr and exit code 1.
 */
export async function runCommand(main: () => Promise<void>): Promise<void> {
  process.on('SIGTERM', () => void stop(0));
  process.on('SIGINT', () => void stop(0));
  try {
    await main();
  } catch (thrown) {
    if (stopping) return;
    process.stderr.write(
      `${thrown instanceof StartError ? thrown.message : String(thrown instanceof Error ? thrown.stack : thrown)}\n`,
    );
    await stop(1);
  }
}

/**
 * Runs a command that ends by itself. What a person can mend is one line on stderr; the exit code
 * is 1 then.
 */
export async function runOnce(name: string, main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (thrown) {
    console.error(`${name}: ${lineOf(thrown)}`);
    process.exitCode = 1;
  }
}

/**
 * Errors of our own are sentences; of the driver's the code alone is told, since a message may name
 * the connection.
 */
function lineOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'failed';
  const isOurs = ['StartError', 'MigrateError', 'EmbeddedPostgresError'].includes(thrown.name);
  const code = 'code' in thrown ? String(thrown.code) : thrown.name;
  return isOurs
    ? thrown.message
    : `failed (${code}${'severity' in thrown ? `, PostgreSQL: ${thrown.message}` : ''})`;
}

async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  for (const cleanup of cleanups.toReversed()) await cleanup().catch(complain);
  process.exit(code);
}

function complain(thrown: unknown): void {
  process.stderr.write(
    `could not be ended cleanly: ${thrown instanceof Error ? thrown.message : 'unknown error'}\n`,
  );
}
