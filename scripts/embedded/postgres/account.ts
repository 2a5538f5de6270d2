import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { EmbeddedPostgresError } from './error.ts';

const run = promisify(execFile);

/** The account the server runs as when we are root: PostgreSQL refuses to run as root. */
const ACCOUNT = 'postgres';

/** uid and gid the server runs with; null: as we do. */
export type Account = { uid: number; gid: number } | null;

/** uid and gid of the account, or null where there is no such account. */
async function lookUpAccount(): Promise<Account> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', ACCOUNT]), run('id', ['-g', ACCOUNT])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return null;
  }
}

/** As root the account to run as, made where it is missing. */
export async function findAccount(): Promise<Account> {
  if (process.getuid?.() !== 0) return null;
  const found = await lookUpAccount();
  if (found !== null) return found;
  // initdb wants a name for its uid, so a bare number would not do.
  await run('useradd', ['--system', '--user-group', '--no-create-home', ACCOUNT]).catch(
    () => undefined,
  );
  const made = await lookUpAccount();
  if (made !== null) return made;
  const message = `PostgreSQL does not run as root and the account "${ACCOUNT}" could not be made`;
  throw new EmbeddedPostgresError('ACCOUNT_MISSING', message);
}

/** Options for a child process that runs as the account. */
export function asAccount(account: Account): { uid?: number; gid?: number } {
  return account === null ? {} : account;
}
