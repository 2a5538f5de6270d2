import { difference } from './herd.ts';
import { percentile } from './measure.ts';
import { cpuSeconds, rssMb } from './process-watch.ts';
import type { Stage } from './stage.ts';
import { fillLog } from './seed.ts';

const TICKS = 20;

/** Of one tick on demand with nothing due. */
export type IdleFigures = {
  logRows: number;
  users: number;
  tickMs: number;
  cpuMs: number;
  transactions: number;
  logRowsRead: number;
  rssMb: number;
};

/** Fills the log up to each size in turn and ticks: what a tick costs must not depend on it. */
export async function measureIdle(stage: Stage, sizes: readonly number[]): Promise<IdleFigures[]> {
  const figures: IdleFigures[] = [];
  for (const rows of sizes) {
    await fillLog(stage.database, Math.min(100_000, Math.ceil(rows / 10)), rows);
    figures.push(await idleTicks(stage));
  }
  return figures;
}

async function idleTicks({ database, runner }: Stage): Promise<IdleFigures> {
  const [counted] = await database.query(
    `select (select count(*) from sync_changes) as rows, (select count(*) from mana_ai.users) as users`,
  );
  await tick(runner);
  const [before, cpuBefore] = [await database.counts(), cpuSeconds(runner.pid())];
  const durations: number[] = [];
  for (let n = 0; n < TICKS; n += 1) durations.push(await tick(runner));
  const cpuMs = ((cpuSeconds(runner.pid()) - cpuBefore) * 1_000) / TICKS;
  const counts = difference(await database.counts(), before);
  return {
    logRows: Number(counted?.['rows']),
    users: Number(counted?.['users']),
    tickMs: percentile(durations, 50),
    cpuMs,
    transactions: counts.transactions / TICKS,
    logRowsRead: counts.logRowsRead / TICKS,
    rssMb: rssMb(runner.pid()),
  };
}

async function tick(runner: Stage['runner']): Promise<number> {
  const startedMs = performance.now();
  const response = await runner.internal('/internal/tick', 'POST');
  if (!response.ok) throw new Error(`a tick answered ${response.status}`);
  await response.text();
  return performance.now() - startedMs;
}
