import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { namesReadBy } from '../src/config/variables.ts';
import { atStop, runCommand } from './process/command.ts';
import { type Environment, StartError } from './process/environment.ts';
import { LOCAL_HOST, startEmbedded } from './embedded/embedded.ts';
import { projectPath } from './process/project.ts';

const WAKE_EVERY_MS = 2_000;

/**
 * Both Workers in miniflare with reload on save, against the embedded PostgreSQL and the demo
 * planner.
 */
async function dev(): Promise<void> {
  const embedded = await startEmbedded();
  const { config, dataDir } = embedded;
  const runnerEnv = writeEnvFile(`${dataDir}/dev-mana-ai.env`, 'mana-ai', embedded.environment);
  const grantsEnv = writeEnvFile(`${dataDir}/dev-mana-auth.env`, 'mana-auth', embedded.environment);
  const workers = [
    startWrangler('wrangler.toml', config.port, 9229, runnerEnv, `${dataDir}/dev-mana-ai`),
    startWrangler(
      'wrangler.mana-auth.toml',
      config.authPort,
      9230,
      grantsEnv,
      `${dataDir}/dev-mana-auth`,
    ),
  ];
  process.stdout.write(
    `missions: http://${LOCAL_HOST}:${config.port}/api/v1/me/missions\ntoken:    ${embedded.token}\n`,
  );
  // A reloaded Worker sleeps until it is touched.
  const waking = setInterval(
    () => void fetch(`http://${LOCAL_HOST}:${config.port}/health`).catch(() => undefined),
    WAKE_EVERY_MS,
  );
  atStop(async () => clearInterval(waking));
  for (const worker of workers) atStop(() => endProcess(worker));
  await Promise.race(workers.map((worker) => new Promise((done) => worker.once('exit', done))));
  throw new StartError('wrangler dev ended; the log above says why');
}

/** The variables of one Worker and no other: neither sees a key of the other here either. */
function writeEnvFile(
  path: string,
  worker: 'mana-ai' | 'mana-auth',
  environment: Environment,
): string {
  const lines = namesReadBy(worker)
    .filter((name) => environment[name])
    .map((name) => `${name}=${JSON.stringify(environment[name])}`);
  writeFileSync(path, lines.join('\n'), { mode: 0o600 });
  return path;
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  await exited;
}

function startWrangler(
  config: string,
  port: number,
  inspector: number,
  envFile: string,
  persistTo: string,
): ChildProcess {
  const wrangler = projectPath('node_modules/wrangler/bin/wrangler.js');
  const flags = [
    '--ip',
    LOCAL_HOST,
    '--port',
    String(port),
    '--inspector-port',
    String(inspector),
    '--show-interactive-dev-session=false',
  ];
  return spawn(
    process.execPath,
    [
      wrangler,
      'dev',
      '--config',
      config,
      '--env-file',
      envFile,
      '--persist-to',
      persistTo,
      ...flags,
    ],
    {
      cwd: projectPath('.'),
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
    },
  );
}

await runCommand(dev);
