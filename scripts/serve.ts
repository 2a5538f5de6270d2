import { requireDatabase, requireForServe } from '../src/config/mana-ai.ts';
import { checkedConfig } from './process/checked-config.ts';
import { runCommand } from './process/command.ts';
import { consoleOn } from './process/console-port.ts';
import { makeDataDir, readEnvironment, StartError } from './process/environment.ts';
import { checkDatabase } from './migrate.ts';
import { startWorkerd } from './process/workerd-process.ts';

/** Every interface: production runs in a container or behind a proxy, which decide what is reachable. */
const HOST = '0.0.0.0';

/** The production entry: both Workers and the console on workerd, or the Worker that is named, against DATABASE_URL and MANA_LLM_URL; no embedded parts. */
async function serve(): Promise<void> {
  const only = namedWorker(process.argv[2]);
  const environment = readEnvironment();
  const config = checkedConfig(environment);
  const complete = only === 'mana-auth' ? requireDatabase(config) : requireForServe(config);
  if (!complete.ok) throw new StartError(`${complete.variable} ${complete.message}`);
  const dataDir = makeDataDir(config.dataDir);
  const database = await checkDatabase(config.databaseUrl ?? '');
  if (!database.ok) throw new StartError(database.message);
  const console = only === null ? await consoleOn(environment, HOST) : null;
  const ports = {
    ...(only === 'mana-auth' ? {} : { manaAi: config.port }),
    ...(only === 'mana-ai' ? {} : { manaAuth: config.authPort }),
    ...(console === null ? {} : { manaConsole: console.port }),
  };
  const workerd = await startWorkerd({
    environment: console?.environment ?? environment,
    dataDir,
    host: HOST,
    ports,
  });
  process.stdout.write('ready\n');
  throw await workerd.ended;
}

function namedWorker(argument: string | undefined): 'mana-ai' | 'mana-auth' | null {
  if (argument === undefined) return null;
  if (argument === 'mana-ai' || argument === 'mana-auth') return argument;
  throw new StartError(
    `serve takes mana-ai, mana-auth or nothing, which is both; ${argument} is neither`,
  );
}

await runCommand(serve);
