import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { Pool } from 'pg';
import workerd from 'workerd';
import { projectPath } from '../process/project.ts';
import { freePort } from '../process/free-port.ts';
import { untilTrue } from './measure.ts';
import { type FsyncFigures, watchFsyncs } from './process-watch.ts';
import type { BenchDatabase } from './database.ts';

/**
 * As many as the runner's Dispatcher admits beside those that plan, and as many connections as its
 * pool has.
 */
const PREPARING = 4;
const CONNECTIONS = 3;
const SLICE = 50;

export type CommitFigures = {
  seconds: number;
  objectsSeconds: number;
  postgresSeconds: number;
  fsyncs: FsyncFigures;
};

/**
 * What the disk alone allows: the commits of a herd, in objects and in Postgres at once, with no
 * model and no thought between them.
 */
export async function measureCommits(
  database: BenchDatabase,
  {
    missions,
    concurrency,
    countFsyncs,
  }: { missions: number; concurrency: number; countFsyncs: boolean },
): Promise<CommitFigures> {
  const dir = mkdtempSync(`${tmpdir()}/mana-edge-bench-commits-`);
  const port = await freePort();
  const child = spawn(workerd.default, ['serve', writeWorker(dir, port), 'config'], {
    stdio: 'ignore',
  });
  const exited = new Promise((done) => child.once('exit', done));
  const ask = async (path: string): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    const { ended } = await response.json<{ ended: number }>();
    return ended;
  };
  try {
    await untilTrue(
      () =>
        ask('/').then(
          () => true,
          () => false,
        ),
      'the Worker of commits',
      50,
    );
    for (let from = 0; from < missions; from += SLICE) {
      await ask(`/register?from=${from}&count=${Math.min(SLICE, missions - from)}`);
    }
    // The objects of users are out of memory when their missions fall due.
    await new Promise((done) => setTimeout(done, 1_000));
    const endFsyncs = countFsyncs ? await watchFsyncs(child.pid ?? 0) : async () => null;
    const startedMs = performance.now();
    const seconds = (): number => (performance.now() - startedMs) / 1_000;
    const objects = (async () => {
      await ask(`/start?count=${missions}&atOnce=${concurrency + PREPARING}`);
      await untilTrue(async () => (await ask('/')) >= missions, 'the commits', 50);
      return seconds();
    })();
    const postgres = commitRows(database, missions).then(seconds);
    const [objectsSeconds, postgresSeconds] = await Promise.all([objects, postgres]);
    const fsyncs = await endFsyncs();
    return {
      seconds: Math.max(objectsSeconds, postgresSeconds),
      objectsSeconds,
      postgresSeconds,
      fsyncs,
    };
  } finally {
    child.kill('SIGKILL');
    await exited;
    rmSync(dir, { recursive: true, force: true });
  }
}

/** One row for each mission, each in a transaction of its own. */
async function commitRows(database: BenchDatabase, rows: number): Promise<void> {
  await database.query(`create table if not exists public.bench_commits (n int, body jsonb)`);
  const pool = new Pool({ connectionString: database.url, max: CONNECTIONS });
  const body = JSON.stringify({ iterations: ['i'.repeat(900)] });
  const lane = async (_: unknown, start: number): Promise<void> => {
    for (let n = start; n < rows; n += CONNECTIONS)
      await pool.query(`insert into public.bench_commits values ($1, $2)`, [n, body]);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  await pool.end();
  await database.query(`drop table public.bench_commits`);
}

function writeWorker(dir: string, port: number): string {
  const source = readFileSync(projectPath('scripts/bench/commits-worker.ts'), 'utf8');
  writeFileSync(`${dir}/worker.js`, stripTypeScriptTypes(source));
  mkdirSync(`${dir}/objects`);
  const config = `${dir}/config.capnp`;
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "objects", disk = (path = "${dir}/objects", writable = true))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [
    (className = "Desk", uniqueKey = "desk", enableSql = true), (className = "Seat", uniqueKey = "seat", enableSql = true)],
  durableObjectStorage = (localDisk = "objects"),
  bindings = [
    (name = "DESK", durableObjectNamespace = "Desk"), (name = "SEAT", durableObjectNamespace = "Seat")],
);
`,
  );
  return config;
}
