import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { type Account, asAccount } from './account.ts';

/** A program that runs. `log` answers the end of its output. */
export type Launched = { child: ChildProcess; log: () => string; exited: Promise<void> };

/**
 * How a process that stands in `folder` as the account names it: not through parents it may not
 * enter.
 */
export function ownFolder(folder: string, account: Account): string {
  return account !== null && process.platform === 'linux' ? '/proc/self/cwd' : folder;
}

/** A small environment: PGDATA, PGPORT and the like of the caller must not reach the server. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

/** Starts a program of PostgreSQL in `cwd`; its last output is kept for error messages. */
export function launch(
  program: string,
  args: string[],
  cwd: string,
  account: Account,
  extra: number[] = [],
): Launched {
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', ...extra];
  // A session of its own: Ctrl-C in a terminal reaches us alone, and we stop the server last.
  const child = spawn(program, args, {
    ...asAccount(account),
    cwd,
    env: environment(),
    stdio,
    detached: true,
  });
  let text = '';
  const keep = (chunk: Buffer): void => {
    text = (text + chunk.toString('utf8')).slice(-4000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const exited = new Promise<void>((done) => {
    child.once('close', () => done());
    child.once('error', (error) => {
      text += error.message;
      done();
    });
  });
  return { child, log: () => text, exited };
}

/** The line that says what went wrong, out of PostgreSQL's output. */
export function reason(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '');
  return (
    lines.find((line) => /FATAL|PANIC|error:/.test(line))?.trim() ??
    lines.at(-1)?.trim() ??
    'no output'
  );
}
