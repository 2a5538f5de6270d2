import { iterationsOf } from './herd.ts';
import { percentile, seeded, untilTrue } from './measure.ts';
import { type Call, ROUNDS } from './model.ts';
import type { Stage } from './stage.ts';
import { insertMissions, missionsDueAt, type SeededMission } from './seed.ts';

/** Where a run is cut off, in the order of a run. */
const POINTS = [
  'before the first round',
  'in the first round',
  'after the first round',
  'in the second round',
  'after the second round',
  'before the commit',
  'after the commit',
] as const;
type Point = (typeof POINTS)[number];

const MISSIONS = 6;
const LATENCY_MS = 20;
/**
 * From an answer on its way to the checkpoint on the disk, and a little more: kills fall on both
 * sides of it.
 */
const AFTER_ANSWER_MS = 25;

const ignore = (_key: string): void => undefined;

export type KillFigures = {
  seed: number;
  runs: number;
  byPoint: Record<string, number>;
  missions: number;
  exactlyOnce: number;
  calls: { made: number; ideal: number; mostRepeatedOfOneMission: number };
  /**
   * from the start of the command to its line `ready`, and from there to the first sign of the
   * resumed work
   */
  restartMs: { p50: number; p99: number };
  resumeMs: { p50: number; p99: number };
};

/**
 * kill -9 again and again, at points of a run that the seed chooses; the log and the model's own
 * list tell what came of it.
 */
export async function measureKills(
  stage: Stage,
  { runs, seed }: { runs: number; seed: number },
): Promise<KillFigures> {
  const { database, model } = stage;
  const random = seeded(seed);
  model.latencyMs = LATENCY_MS;
  let rowWritten = ignore;
  await database.onRunnerRow((key) => rowWritten(key));
  const figures: KillFigures = {
    seed,
    runs,
    byPoint: Object.fromEntries(POINTS.map((point) => [point, 0])),
    missions: 0,
    exactlyOnce: 0,
    calls: { made: 0, ideal: 0, mostRepeatedOfOneMission: 0 },
    restartMs: { p50: 0, p99: 0 },
    resumeMs: { p50: 0, p99: 0 },
  };
  const restarts: number[] = [];
  const resumes: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const point = POINTS[run % POINTS.length] ?? 'before the first round';
    figures.byPoint[point] = (figures.byPoint[point] ?? 0) + 1;
    const missions = missionsDueAt(MISSIONS, Date.now() - 60_000);
    const callsBefore = model.calls.length;
    await killAt(stage, point, missions, { random, onRow: (heard) => (rowWritten = heard) });
    restarts.push(await stage.runner.restart());
    const readyMs = Date.now();
    const resumed = new Promise<void>((done) => {
      model.onRequest = () => done();
      rowWritten = () => done();
    });
    const finished = untilTrue(
      async () => (await iterationsOf(database, missions)).missions >= MISSIONS,
      'the killed runs',
      25,
    );
    await Promise.race([resumed, finished]);
    resumes.push(Date.now() - readyMs);
    await finished;
    await stage.runner.internal('/internal/tick', 'POST');
    addOutcome(figures, await iterationsOf(database, missions), model.calls.slice(callsBefore));
  }
  model.onRequest = () => undefined;
  figures.restartMs = { p50: percentile(restarts, 50), p99: percentile(restarts, 99) };
  figures.resumeMs = { p50: percentile(resumes, 50), p99: percentile(resumes, 99) };
  return figures;
}

type Chance = { random: () => number; onRow: (heard: (key: string) => void) => void };

/** Writes the missions and kills the runner when the point is reached. */
async function killAt(
  stage: Stage,
  point: Point,
  missions: readonly SeededMission[],
  chance: Chance,
): Promise<void> {
  const { database, model, runner } = stage;
  const nth = 1 + Math.floor(chance.random() * MISSIONS);
  const delayMs = chance.random() * AFTER_ANSWER_MS;
  const reached = arrival(stage, point, nth, chance);
  await insertMissions(database, missions);
  // Write-backs wait for this lock, so that the kill falls between a plan and its row.
  if (point === 'before the commit') {
    await database.query('begin');
    await database.query('lock table sync_changes in share mode');
  }
  await reached;
  if (point.startsWith('after the ') && point !== 'after the commit') await pause(delayMs);
  if (point === 'before the first round') await pause(delayMs * 4);
  if (point === 'before the commit')
    await untilTrue(() => anyoneWaits(stage), 'a write-back that waits', 5);
  runner.kill();
  if (point === 'before the commit') await database.query('rollback');
  model.onRequest = () => undefined;
  model.onAnswer = () => undefined;
  chance.onRow(ignore);
}

/** The nth time that something happens. */
async function arrival(
  { model }: Stage,
  point: Point,
  nth: number,
  { onRow }: Chance,
): Promise<void> {
  if (point === 'before the first round' || point === 'before the commit') return;
  let seen = 0;
  await new Promise<void>((done) => {
    const count = (): void => {
      seen += 1;
      if (seen === nth) done();
    };
    const inRound = (wanted: number) => (call: Call) => {
      if (call.round === wanted) count();
    };
    if (point === 'after the commit') onRow(count);
    else if (point.startsWith('in '))
      model.onRequest = inRound(point === 'in the first round' ? 1 : 2);
    else model.onAnswer = inRound(point === 'after the first round' ? 1 : 2);
  });
}

async function anyoneWaits({ database }: Stage): Promise<boolean> {
  return (await database.query(`select 1 from pg_locks where not granted limit 1`)).length > 0;
}

function addOutcome(
  figures: KillFigures,
  written: { missions: number; exactlyOnce: number },
  calls: readonly Call[],
): void {
  const byMission = new Map<string, number>();
  for (const { mission } of calls) byMission.set(mission, (byMission.get(mission) ?? 0) + 1);
  const repeated = Math.max(0, ...[...byMission.values()].map((count) => count - ROUNDS));
  figures.missions += MISSIONS;
  figures.exactlyOnce += written.exactlyOnce;
  figures.calls.made += calls.length;
  figures.calls.ideal += MISSIONS * ROUNDS;
  figures.calls.mostRepeatedOfOneMission = Math.max(
    figures.calls.mostRepeatedOfOneMission,
    repeated,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
