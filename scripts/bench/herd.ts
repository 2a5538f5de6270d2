import { ROUNDS } from './model.ts';
import type { BenchDatabase, DatabaseCounts } from './database.ts';
import type { BenchRunner } from './runner.ts';
import { insertMissions, missionsDueAt, type SeededMission } from './seed.ts';
import {
  type FsyncFigures,
  type ProcessFigures,
  watchFsyncs,
  watchProcess,
} from './process-watch.ts';
import { percentile, untilTrue } from './measure.ts';
import type { Stage } from './stage.ts';

export type HerdOptions = {
  missions: number;
  latencyMs: number;
  concurrency: number;
  countFsyncs: boolean;
};

export type HerdFigures = {
  options: HerdOptions;
  registeredSeconds: number;
  /** from the due second to the last row of ours */
  drainSeconds: number;
  /** what the model alone takes: missions x rounds x latency / concurrency */
  modelSeconds: number;
  startDelay: { p50: number; p99: number };
  iterations: { missions: number; exactlyOnce: number };
  calls: { made: number; ideal: number; mostAtOnce: number };
  workerd: ProcessFigures;
  fsyncs: FsyncFigures;
  database: DatabaseCounts;
};

/**
 * Users register, everything falls due at one second, and the clock runs until the last plan is in
 * the log.
 */
export async function measureHerd(stage: Stage, options: HerdOptions): Promise<HerdFigures> {
  const { database, model, runner } = stage;
  model.latencyMs = options.latencyMs;
  const rate = await registrationRate(stage);
  const dueMs = Date.now() + (options.missions / rate) * 1_800 + 15_000;
  const missions = missionsDueAt(options.missions, dueMs);
  const registeredSeconds = await register(stage, missions);
  if (Date.now() > dueMs)
    throw new Error('the users were not registered before their missions fell due');
  await new Promise((done) => setTimeout(done, Math.max(0, dueMs - 1_000 - Date.now())));
  const [callsBefore, countsBefore] = [model.calls.length, await database.counts()];
  const endWatch = watchProcess(runner.pid());
  const endFsyncs = options.countFsyncs ? await watchFsyncs(runner.pid()) : async () => null;
  await untilDrained(database, missions);
  const workerd = endWatch();
  const fsyncs = await endFsyncs();
  const after = await database.counts();
  const calls = model.calls.slice(callsBefore);
  const started = calls
    .filter(({ round }) => round === 1)
    .map(({ atMs }) => (atMs - dueMs) / 1_000);
  return {
    options,
    registeredSeconds,
    drainSeconds: ((await lastRowMs(database, missions)) - dueMs) / 1_000,
    modelSeconds: (options.missions * ROUNDS * options.latencyMs) / options.concurrency / 1_000,
    startDelay: { p50: percentile(started, 50), p99: percentile(started, 99) },
    iterations: await iterationsOf(database, missions),
    calls: {
      made: calls.length,
      ideal: options.missions * ROUNDS,
      mostAtOnce: model.maxConcurrent(),
    },
    workerd,
    fsyncs,
    database: difference(after, countsBefore),
  };
}

/** Users a second, from a few that have nothing due. */
async function registrationRate(stage: Stage): Promise<number> {
  const few = missionsDueAt(200, Date.now() + 30 * 24 * 60 * 60_000);
  return few.length / (await register(stage, few));
}

/**
 * Until the feed has delivered every user: the outbox is empty below its horizon then, and each
 * object has answered.
 */
async function register(
  { database, runner }: Stage,
  missions: readonly SeededMission[],
): Promise<number> {
  const before = await registered(runner);
  const startedMs = performance.now();
  await insertMissions(database, missions);
  await untilTrue(
    async () => (await registered(runner)) >= before + missions.length,
    'every user to be registered',
    100,
  );
  return (performance.now() - startedMs) / 1_000;
}

async function registered(runner: BenchRunner): Promise<number> {
  const text = await (await fetch(`${runner.url}/metrics`)).text();
  return Number(/^mana_ai_snapshots_new_total (\d+)/m.exec(text)?.[1] ?? 0);
}

async function untilDrained(
  database: BenchDatabase,
  missions: readonly SeededMission[],
): Promise<void> {
  const like = likeOf(missions);
  await untilTrue(
    async () => {
      const [row] = await database.query(
        `select count(*)::int as rows from sync_changes where client_id = 'mana-ai-runner' and record_id like $1`,
        [like],
      );
      return Number(row?.['rows']) >= missions.length;
    },
    'every mission to be planned',
    500,
  );
}

async function lastRowMs(
  database: BenchDatabase,
  missions: readonly SeededMission[],
): Promise<number> {
  const [row] = await database.query(
    `select extract(epoch from max(created_at)) * 1000 as last from sync_changes where client_id = 'mana-ai-runner' and record_id like $1`,
    [likeOf(missions)],
  );
  return Number(row?.['last']);
}

/** Rows of ours and iterations in them, for each mission: both have to be one. */
export async function iterationsOf(
  database: BenchDatabase,
  missions: readonly SeededMission[],
): Promise<HerdFigures['iterations']> {
  const [row] = await database.query(
    `select count(*)::int as missions, count(*) filter (where rows = 1 and iterations = 1)::int as once from (
       select count(*) as rows, max(jsonb_array_length(data -> 'iterations')) as iterations from sync_changes
       where client_id = 'mana-ai-runner' and record_id like $1 group by user_id, record_id) as planned`,
    [likeOf(missions)],
  );
  return { missions: Number(row?.['missions']), exactlyOnce: Number(row?.['once']) };
}

function likeOf([first]: readonly SeededMission[]): string {
  return `${first?.key.replace(/\d+$/, '')}%`;
}

export function difference(after: DatabaseCounts, before: DatabaseCounts): DatabaseCounts {
  return {
    statements: after.statements === null ? null : after.statements - (before.statements ?? 0),
    transactions: after.transactions - before.transactions,
    fsyncs: after.fsyncs - before.fsyncs,
    logRowsRead: after.logRowsRead - before.logRowsRead,
  };
}
