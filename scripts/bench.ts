import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { measureCommits } from './bench/commits.ts';
import { measureHerd } from './bench/herd.ts';
import { measureIdle } from './bench/idle.ts';
import { measureKills } from './bench/kills.ts';
import { type BenchFigures, linesOf } from './bench/report.ts';
import { onStage } from './bench/stage.ts';
import { formatTable } from './bench/table.ts';
import { measureWake } from './bench/wake.ts';
import { build } from './build.ts';

const USAGE = `npm run bench -- [flags]: the runner on real workerd and real PostgreSQL, with a scripted LLM. Linux.

  --missions N      users due at one second (1000)
  --latency MS      of each LLM call (200)
  --concurrency N   LLM calls at once (16)
  --wakes N         wake-ups measured (50)
  --idle-rows A,B   sizes of the log for idle ticks (10000,1000000)
  --kill-runs N     kill -9 that many times (14)
  --seed S          of the kills (1)
  --only a,b        of herd, fsyncs, wake, idle, kills
  --out FILE        where the JSON goes (bench/results.json)
`;

const SECTIONS = ['herd', 'fsyncs', 'wake', 'idle', 'kills'] as const;
type Section = (typeof SECTIONS)[number];

/** Under strace a mission takes several times as long. */
const COUNTED_MISSIONS = 200;

type Flags = ReturnType<typeof readFlags>;

function readFlags() {
  const { values } = parseArgs({
    options: {
      missions: { type: 'string', default: '1000' },
      latency: { type: 'string', default: '200' },
      concurrency: { type: 'string', default: '16' },
      wakes: { type: 'string', default: '50' },
      'idle-rows': { type: 'string', default: '10000,1000000' },
      'kill-runs': { type: 'string', default: '14' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string', default: SECTIONS.join(',') },
      out: { type: 'string', default: 'bench/results.json' },
      help: { type: 'boolean', default: false },
    },
  });
  const only = values.only
    .split(',')
    .map((name) => SECTIONS.find((section) => section === name) ?? unknown(name));
  return {
    help: values.help,
    missions: whole('missions', values.missions),
    latencyMs: whole('latency', values.latency),
    concurrency: whole('concurrency', values.concurrency),
    wakes: whole('wakes', values.wakes),
    idleRows: values['idle-rows'].split(',').map((rows) => whole('idle-rows', rows)),
    killRuns: whole('kill-runs', values['kill-runs']),
    seed: whole('seed', values.seed),
    sections: new Set<Section>(only),
    out: values.out,
  };
}

function whole(flag: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${flag} wants a whole number, not "${text}"`);
  return Number(text);
}

function unknown(name: string): never {
  throw new Error(`--only knows ${SECTIONS.join(', ')}, not "${name}"`);
}

async function measure(flags: Flags): Promise<BenchFigures> {
  const { sections, concurrency, missions, latencyMs } = flags;
  const figures: BenchFigures = {
    machine: { cpus: availableParallelism(), platform: process.platform, node: process.version },
  };
  if (sections.has('herd')) {
    figures.herd = await onStage(concurrency, async (stage) => {
      const disk = await measureCommits(stage.database, {
        missions,
        concurrency,
        countFsyncs: false,
      });
      return {
        ...(await measureHerd(stage, { missions, latencyMs, concurrency, countFsyncs: false })),
        disk,
      };
    });
  }
  if (sections.has('fsyncs')) {
    const counted = { missions: COUNTED_MISSIONS, concurrency, countFsyncs: true };
    figures.counted = await onStage(concurrency, async (stage) => ({
      missions: COUNTED_MISSIONS,
      disk: await measureCommits(stage.database, counted),
      fsyncs: (await measureHerd(stage, { ...counted, latencyMs: 0 })).fsyncs,
    }));
  }
  if (sections.has('wake'))
    figures.wake = await onStage(concurrency, (stage) => measureWake(stage, flags.wakes));
  if (sections.has('idle'))
    figures.idle = await onStage(concurrency, (stage) => measureIdle(stage, flags.idleRows));
  if (sections.has('kills')) {
    const kills = { runs: flags.killRuns, seed: flags.seed };
    figures.kills = await onStage(4, (stage) => measureKills(stage, kills));
  }
  return figures;
}

const flags = readFlags();
if (flags.help) {
  process.stdout.write(USAGE);
} else {
  build();
  const figures = await measure(flags);
  mkdirSync(dirname(flags.out), { recursive: true });
  writeFileSync(flags.out, `${JSON.stringify(figures, null, 2)}\n`);
  const sections = linesOf(figures);
  process.stdout.write(`${formatTable(sections)}\n\nwritten to ${flags.out}\n`);
  if (sections.some(({ lines }) => lines.some(({ ok }) => ok === false))) process.exitCode = 1;
}
