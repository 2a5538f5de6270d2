import { mkdirSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { config as loadDotenv } from 'dotenv';
import { type TextEnvironment, withSecretsFromFiles } from '../../src/config/secret-files.ts';

export type Environment = Record<string, string | undefined>;

/** Something the person who started the command can mend; printed as one line, without a stack. */
export class StartError extends Error {
  override name = 'StartError';
}

/**
 * The environment, with what it leaves unset or empty filled from `.env` in the working directory.
 * Secrets that either gives as a file (`MANA_…_FILE`) are read.
 * @throws StartError that names the variable of a file that cannot be read
 */
export function readEnvironment(): Environment {
  const fromFile = loadDotenv({ processEnv: {}, quiet: true }).parsed ?? {};
  const set = Object.entries(process.env).filter(
    ([, value]) => value !== undefined && value !== '',
  );
  // A file that `.env` names must not stand against a value that the environment gives.
  return { ...readSecretFiles(fromFile), ...readSecretFiles(Object.fromEntries(set)) };
}

function readSecretFiles(environment: TextEnvironment): TextEnvironment {
  const read = withSecretsFromFiles(environment, (path) => readFileSync(path, 'utf8'));
  if (!read.ok) throw new StartError(`${read.variable} ${read.message}`);
  return read.environment;
}

/** The folder of MANA_DATA_DIR, made if it is missing. Throws StartError if it cannot be made. */
export function makeDataDir(dataDir: string): string {
  const path = resolve(dataDir);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    // Tried, not guessed from its mode: a volume of another owner, or a disk that is read-only.
    rmdirSync(mkdtempSync(`${path}/.probe-`));
  } catch {
    throw new StartError(
      `MANA_DATA_DIR wants a folder that can be made and written; ${path} is not one`,
    );
  }
  return path;
}

/** Throws StartError if something listens on the port already. */
export async function assertPortFree(name: string, port: number, host: string): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((done, failed) => {
      server.once('error', failed);
      server.listen(port, host, done);
    });
  } catch {
    throw new StartError(
      `${name}: port ${port} is taken; stop what listens there or set ${name} to another port`,
    );
  } finally {
    server.close();
  }
}
