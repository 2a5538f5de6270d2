import { atStop, runCommand } from './command.ts';
import { LOCAL_HOST, startEmbedded } from './embedded.ts';
import { printIterations } from './iteration-printer.ts';
import { startWorkerd } from './workerd-process.ts';

/** Everything on one machine with one command: embedded PostgreSQL, both Workers, a demo user, a demo planner. */
async function start(): Promise<void> {
  const embedded = await startEmbedded();
  const { environment, config, dataDir } = embedded;
  atStop(await printIterations(embedded.databaseUrl, say));
  const ports = { manaAi: config.port, manaAuth: config.authPort };
  const workerd = await startWorkerd({ environment, dataDir, host: LOCAL_HOST, ports });
  welcome(config.port, embedded.token, embedded.usesDemoPlanner);
  throw await workerd.ended;
}

function welcome(port: number, token: string, usesDemoPlanner: boolean): void {
  const url = `http://${LOCAL_HOST}:${port}`;
  if (usesDemoPlanner)
    say('planning with the demo planner, which follows simple rules; set MANA_LLM_URL for a real model');
  say(`health:   ${url}/health`);
  say(`missions: ${url}/api/v1/me/missions`);
  say(`token:    ${token}`);
  say(`try:      curl -H "Authorization: Bearer ${token}" ${url}/api/v1/me/missions`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await runCommand(start);
