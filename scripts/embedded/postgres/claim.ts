import { randomBytes } from 'node:crypto';
import { link, readdir, readFile, readlink, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EmbeddedPostgresError, errorCode } from './error.ts';
import { type Paths, readIfThere } from './files.ts';

/** The longest time that a server gets to end in good order. */
export const STOP_TIMEOUT_MS = 30_000;

/**
 * Start time of a process in clock ticks since boot, so that a reused pid is told apart; '' where
 * unknown.
 */
async function startTime(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name in parentheses may hold anything; field 22 is the 20th after it.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** Whether a process of this pid exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** Whether the note "pid start-time" speaks of a process that is still there. */
async function isOwnerAlive(note: string): Promise<boolean> {
  const [pid = '', started = ''] = note.trim().split(' ');
  if (!/^\d+$/.test(pid) || !isAlive(Number(pid))) return false;
  return started === '' || (await startTime(Number(pid))) === started;
}

/** Writes down that this process runs the data folder. */
export async function claim(paths: Paths): Promise<void> {
  const draft = `${paths.owner}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, `${process.pid} ${await startTime(process.pid)}\n`, { mode: 0o600 });
  try {
    // A link appears with its content and only where nothing is: of two starts at once one gets it.
    for (let attempt = 0; attempt < 3; attempt++) {
      if (await tryLink(draft, paths.owner)) return;
      const note = await readIfThere(paths.owner);
      if (note !== null && (await isOwnerAlive(note))) break;
      await rm(paths.owner, { force: true });
    }
    throw alreadyRunning(paths);
  } finally {
    await rm(draft, { force: true });
  }
}

/** False where the name is taken. */
async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

export function alreadyRunning(paths: Paths): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'ALREADY_RUNNING',
    `the database in ${paths.dataDir} is already running`,
  );
}

/**
 * Pids of processes that work in the cluster's folder: a server and its children. Linux alone can
 * tell.
 */
async function processesIn(cluster: string): Promise<number[]> {
  if (process.platform !== 'linux') return [];
  const folder = await realpath(cluster);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const folders = await Promise.all(
    pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')),
  );
  return pids.filter((_, index) => folders[index] === folder);
}

/**
 * Clears what a start that was killed has left: its server, which outlives it, and a postmaster.pid
 * whose number a stranger may bear by now. We hold the claim, so a server found here belongs to
 * nobody.
 */
export async function clearLeftovers(paths: Paths): Promise<void> {
  const pidFile = join(paths.cluster, 'postmaster.pid');
  const text = await readIfThere(pidFile);
  if (text === null) return;
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  const postmaster = Number(text.split('\n')[0]);
  let left = await processesIn(paths.cluster);
  if (left.includes(postmaster)) killQuietly(postmaster, 'SIGINT');
  // Children whose server died notice and end by themselves.
  while (left.length > 0) {
    if (performance.now() > deadline) throw alreadyRunning(paths);
    await pause(50);
    left = await processesIn(paths.cluster);
  }
  // Elsewhere PostgreSQL judges the file itself, and says so when a server is alive.
  if (process.platform === 'linux') await rm(pidFile, { force: true });
}

export function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}
