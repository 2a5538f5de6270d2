import { type ManaAiConfig, parseManaAiConfig, requireForServe } from '../src/mana-ai/config.ts';
import { parseManaAuthConfig } from '../src/mana-auth/config.ts';
import { type Environment, makeDataDir, readEnvironment, runCommand, StartError } from './environment.ts';
import { checkDatabase } from './migrate.ts';
import { startWorkerd } from './workerd-process.ts';

/** Every interface: production runs in a container or behind a proxy, which decide what is reachable. */
const HOST = '0.0.0.0';

/** The production entry: both Workers on workerd against DATABASE_URL and MANA_LLM_URL, no embedded parts. */
async function serve(): Promise<void> {
  const environment = readEnvironment();
  const config = checkedConfig(environment);
  const dataDir = makeDataDir(config.dataDir);
  const database = await checkDatabase(config.databaseUrl ?? '');
  if (!database.ok) throw new StartError(database.message);
  const ports = { manaAi: config.port, manaAuth: config.authPort };
  const workerd = await startWorkerd({ environment, dataDir, host: HOST, ports });
  process.stdout.write('ready\n');
  let stopping = false;
  const stop = (): void => {
    stopping = true;
    void workerd.stop();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const code = await workerd.exited;
  process.exit(stopping ? 0 : code || 1);
}

/** The grants Worker's variables stop the start as well: a malformed one would otherwise show only at the first request. */
function checkedConfig(environment: Environment): ManaAiConfig {
  const grants = parseManaAuthConfig(environment);
  if (!grants.ok) throw new StartError(`${grants.variable} ${grants.message}`);
  const parsed = parseManaAiConfig(environment);
  const complete = parsed.ok ? requireForServe(parsed.config) : parsed;
  if (!complete.ok) throw new StartError(`${complete.variable} ${complete.message}`);
  return complete.config;
}

await runCommand(serve);
