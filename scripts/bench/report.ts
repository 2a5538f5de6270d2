import type { CommitFigures } from './commits.ts';
import type { HerdFigures } from './herd.ts';
import type { IdleFigures } from './idle.ts';
import type { KillFigures } from './kills.ts';
import { exactly, type Line, plain, upTo } from './table.ts';
import type { WakeFigures } from './wake.ts';

/** Of the machine that mana-edge is made for. */
const MOST_RSS_MB = 256;
/**
 * An object that is open has three, and no more than those of admitted users and of one slice of
 * the feed are.
 */
const MOST_FILES = 512;
const DRAIN_MARGIN = 1.1;
const RESUME_WITHIN_MS = 2_000;

export type BenchFigures = {
  machine: { cpus: number; platform: string; node: string };
  herd?: HerdFigures & { disk: CommitFigures };
  /** a small herd under strace, which makes everything slow: it has no other figures */
  counted?: { missions: number; fsyncs: HerdFigures['fsyncs']; disk: CommitFigures };
  wake?: WakeFigures;
  idle?: IdleFigures[];
  kills?: KillFigures;
};

/** What was measured, with the limit of each figure. */
export function linesOf(figures: BenchFigures): { title: string; lines: Line[] }[] {
  const { herd, counted, wake, idle, kills } = figures;
  return [
    ...(herd === undefined ? [] : [herdLines(herd)]),
    ...(counted === undefined ? [] : [fsyncLines(counted)]),
    ...(wake === undefined ? [] : [wakeLines(wake)]),
    ...(idle === undefined ? [] : [idleLines(idle)]),
    ...(kills === undefined ? [] : [killLines(kills)]),
  ];
}

function herdLines(herd: NonNullable<BenchFigures['herd']>): { title: string; lines: Line[] } {
  const { options, modelSeconds, disk, workerd, startDelay, iterations, calls, database } = herd;
  const { missions, latencyMs, concurrency } = options;
  const slower = Math.max(modelSeconds, disk.seconds);
  return {
    title: `Herd: ${missions} users due at one second, LLM ${latencyMs} ms a call, concurrency ${concurrency}`,
    lines: [
      upTo('drain', herd.drainSeconds, slower * DRAIN_MARGIN, 's'),
      plain("  the LLM's limit (missions x rounds x latency / concurrency)", modelSeconds, 's'),
      plain("  the disk's limit (the same commits without an LLM)", disk.seconds, 's'),
      plain('  processor time of workerd', workerd.cpuSeconds, 's'),
      upTo('peak RSS of workerd', workerd.peakRssMb, MOST_RSS_MB, 'MB'),
      upTo('open files of workerd, at most', workerd.peakFiles, MOST_FILES, ''),
      exactly('missions planned', iterations.missions, missions),
      exactly('missions with exactly one iteration', iterations.exactlyOnce, missions),
      exactly('LLM calls', calls.made, calls.ideal),
      upTo('LLM calls at once', calls.mostAtOnce, concurrency, ''),
      plain('due to first LLM request, p50', startDelay.p50, 's'),
      plain('due to first LLM request, p99', startDelay.p99, 's'),
      plain(
        'Postgres transactions per mission (one round trip each)',
        database.transactions / missions,
        '',
      ),
      plain(
        'Postgres statements per mission',
        database.statements === null ? null : database.statements / missions,
        '',
      ),
      plain('fsyncs of Postgres per mission', database.fsyncs / missions, ''),
      plain('registration of all users', herd.registeredSeconds, 's'),
    ],
  };
}

function fsyncLines({ missions, fsyncs, disk }: NonNullable<BenchFigures['counted']>): {
  title: string;
  lines: Line[];
} {
  return {
    title: `fsyncs of workerd, counted by strace over ${missions} missions`,
    lines: [
      plain('per mission', fsyncs === null ? null : fsyncs.count / missions, ''),
      plain(
        '  of the same commits without an LLM',
        disk.fsyncs === null ? null : disk.fsyncs.count / missions,
        '',
      ),
    ],
  };
}

function wakeLines({ wakes, p50Ms, p99Ms }: WakeFigures): { title: string; lines: Line[] } {
  return {
    title: `Wake: from a device's commit to the first LLM request, ${wakes} times`,
    lines: [plain('p50', p50Ms, 'ms'), plain('p99', p99Ms, 'ms')],
  };
}

function idleLines(idle: readonly IdleFigures[]): { title: string; lines: Line[] } {
  const [small] = idle;
  return {
    title: 'Idle: one tick with nothing due',
    lines: idle.flatMap((size) => {
      const name = `at ${size.logRows} log rows, ${size.users} users:`;
      // Twice what it is on a small log, and a little for what a shared machine does to
      // milliseconds.
      const most = (small?.tickMs ?? 0) * 2 + 5;
      return [
        size === small
          ? plain(`${name} tick`, size.tickMs, 'ms')
          : upTo(`${name} tick`, size.tickMs, most, 'ms'),
        plain(`${name} processor time of workerd`, size.cpuMs, 'ms'),
        plain(`${name} Postgres transactions`, size.transactions, ''),
        upTo(`${name} log rows read`, size.logRowsRead, 0, ''),
        upTo(`${name} RSS of workerd`, size.rssMb, MOST_RSS_MB, 'MB'),
      ];
    }),
  };
}

function killLines(kills: KillFigures): { title: string; lines: Line[] } {
  const { calls } = kills;
  const inFlight = Object.entries(kills.byPoint).map(([point, runs]) => `${runs} ${point}`);
  return {
    title: `kill -9, ${kills.runs} times with seed ${kills.seed}: ${inFlight.join(', ')}`,
    lines: [
      exactly('missions with exactly one iteration', kills.exactlyOnce, kills.missions),
      plain('LLM calls', calls.made, ''),
      plain('  ideal', calls.ideal, ''),
      upTo('  calls repeated of one mission, at most', calls.mostRepeatedOfOneMission, 1, ''),
      plain('start of the command to `ready`, p50', kills.restartMs.p50, 'ms'),
      plain('ready to the first call or row, p50', kills.resumeMs.p50, 'ms'),
      upTo('ready to the first call or row, p99', kills.resumeMs.p99, RESUME_WITHIN_MS, 'ms'),
    ],
  };
}
