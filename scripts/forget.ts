/**
 * `npm run forget -- USER`: removes everything of one person here, through the running Workers, and
 * checks that it is gone.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Client } from 'pg';
import { isUserId } from '../src/http/user-id.ts';
import { LOG } from './database/backup/tables.ts';
import { checkedConfig } from './process/checked-config.ts';
import { runOnce } from './process/command.ts';
import { type Environment, readEnvironment, StartError } from './process/environment.ts';
import { openOwnDatabase, withClient, withKeysOfStart } from './embedded/own-database.ts';
import { countRowsOf, deleteRowsOf, type RowCount } from './database/user-rows.ts';

const USAGE = `npm run forget -- USER [--with-log]

  USER        the user id, as in the tokens' sub and in sync_changes
  --with-log  removes their rows of sync_changes too, of every app: only where no mana-sync does that

exit code 0: nothing is left   1: something is, or it could not be done`;

/** Longer than three rounds of emptying take. */
const ANSWER_WITHIN_MS = 60_000;

type Workers = { url: string; serviceKey: string };

/** Removes, empties, and removes what a run that was under way wrote in between. */
async function forget(
  client: Client,
  workers: Workers,
  userId: string,
  besides: readonly string[],
): Promise<RowCount[]> {
  const removed = await deleteRowsOf(client, userId, besides);
  await emptyObjects(workers, userId);
  const again = await deleteRowsOf(client, userId, besides);
  return removed.map(({ table, rows }, index) => ({
    table,
    rows: rows + (again[index]?.rows ?? 0),
  }));
}

async function emptyObjects({ url, serviceKey }: Workers, userId: string): Promise<string[]> {
  const response = await fetch(`${url}/internal/users/${encodeURIComponent(userId)}`, {
    method: 'DELETE',
    headers: { 'x-service-key': serviceKey },
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  if (response.ok) return (await response.json<{ left: string[] }>()).left;
  throw new StartError(refusalOf(response));
}

/** Only the running process may empty the objects, since it has their files open. */
async function workersOf(environment: Environment): Promise<Workers> {
  const { port, serviceKey } = checkedConfig(environment);
  const url = `http://127.0.0.1:${port}`;
  if (serviceKey === null)
    throw new StartError('MANA_SERVICE_KEY is not set: set it, restart the Workers, and repeat');
  const answers = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) }).then(
    (response) => response.ok,
    () => false,
  );
  if (!answers)
    throw new StartError(
      `nothing was removed: mana-ai does not answer on port ${port}, and only it can empty its objects; start the Workers and repeat`,
    );
  const known = await fetch(`${url}/internal/status`, { headers: { 'x-service-key': serviceKey } });
  if (!known.ok) throw new StartError(`nothing was removed: ${refusalOf(known)}`);
  return { url, serviceKey };
}

function refusalOf({ status }: Response): string {
  return `mana-ai answered ${status}; is MANA_SERVICE_KEY the one that it was started with?`;
}

/** Prints one line for each place, and answers whether nothing is left. */
async function prove(
  client: Client,
  {
    workers,
    userId,
    besides,
    removed,
  }: { workers: Workers; userId: string; besides: readonly string[]; removed: readonly RowCount[] },
): Promise<boolean> {
  // This is asked last, so that a person whom something brought back in the meantime shows.
  const left = await emptyObjects(workers, userId);
  const rows = await countRowsOf(client, userId, besides);
  for (const { table, rows: remaining } of rows) {
    const gone = removed.find((one) => one.table === table)?.rows ?? 0;
    tell(
      remaining === 0,
      `${table}: ${remaining === 0 ? `no row (${gone} removed)` : `${remaining} rows`}`,
    );
  }
  tell(
    !left.includes('object'),
    'the object: records, runs, budgets, failures, research jobs, audit head, alarm',
  );
  tell(!left.includes('agenda'), 'the agenda of the Dispatcher, lease and permit');
  tell(!left.includes('change-feed'), 'the change feed: logs that could not be read');
  return left.length === 0 && rows.every((one) => one.rows === 0);
}

function tell(isGone: boolean, place: string): void {
  console.log(`${isGone ? 'gone' : 'LEFT'}  ${place}`);
}

/** The log is mana-sync's: said, not touched. */
async function tellOfLog(client: Client, userId: string): Promise<void> {
  const { rows } = await client.query<{ all: number; ai: number; ours: number }>(
    `select count(*)::int as all, count(*) filter (where app_id = 'ai')::int as ai,
       count(*) filter (where client_id = 'mana-ai-runner')::int as ours
     from ${LOG} where user_id = $1`,
    [userId],
  );
  const { all = 0, ai = 0, ours = 0 } = rows[0] ?? {};
  if (all === 0) return console.log('gone  sync_changes: no row');
  console.log(
    `stays sync_changes: ${all} rows, ${ai} of them of missions and agents, ${ours} written by the runner`,
  );
  console.log(
    '      Delete the account in mana-sync, or repeat with --with-log where there is none. A device that writes',
  );
  console.log(
    '      another mission, and a request with this user’s token, make the person known here again.',
  );
}

function readArguments(args: string[]): { userId: string; withLog: boolean } {
  try {
    const options = { 'with-log': { type: 'boolean', default: false } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [userId] = positionals;
    if (userId !== undefined && positionals.length === 1 && isUserId(userId))
      return { userId, withLog: values['with-log'] };
  } catch {
    // An argument that there is not: the usage says what there is.
  }
  throw new StartError(USAGE);
}

async function main(): Promise<void> {
  const { userId, withLog } = readArguments(process.argv.slice(2));
  const given = readEnvironment();
  const dataDir = resolve(checkedConfig(given).dataDir);
  const environment = withKeysOfStart(given, dataDir);
  const workers = await workersOf(environment);
  const database = await openOwnDatabase(given, dataDir);
  try {
    await withClient(database.databaseUrl, 'forget', async (client) => {
      const besides = withLog ? [LOG] : [];
      const removed = await forget(client, workers, userId, besides);
      const isGone = await prove(client, { workers, userId, besides, removed });
      if (!withLog) await tellOfLog(client, userId);
      console.log(
        'Not reached from here: the bare id in free pages of files that all share, backups, PostgreSQL’s old pages until VACUUM, and what the model and the research endpoint were sent.',
      );
      if (!isGone)
        throw new StartError('something is left; repeat it, and look at the log if it stays');
    });
  } finally {
    await database.close();
  }
}

await runOnce('forget', main);
