import { requireForServe } from '../src/mana-ai/config.ts';
import { checkedConfig } from './checked-config.ts';
import { runCommand } from './command.ts';
import { makeDataDir, readEnvironment, StartError } from './environment.ts';
import { checkDatabase } from './migrate.ts';
import { startWorkerd } from './workerd-process.ts';

/** Every interface: production runs in a container or behind a proxy, which decide what is reachable. */
const HOST = '0.0.0.0';

/** The production entry: both Workers on workerd against DATABASE_URL and MANA_LLM_URL, no embedded parts. */
async function serve(): Promise<void> {
  const environment = readEnvironment();
  const complete = requireForServe(checkedConfig(environment));
  if (!complete.ok) throw new StartError(`${complete.variable} ${complete.message}`);
  const { config } = complete;
  const dataDir = makeDataDir(config.dataDir);
  const database = await checkDatabase(config.databaseUrl ?? '');
  if (!database.ok) throw new StartError(database.message);
  const ports = { manaAi: config.port, manaAuth: config.authPort };
  const workerd = await startWorkerd({ environment, dataDir, host: HOST, ports });
  process.stdout.write('ready\n');
  throw await workerd.ended;
}

await runCommand(serve);
