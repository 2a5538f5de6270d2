import { writeFileSync } from 'node:fs';
import { Client } from 'pg';
import { atStop, runCommand } from './process/command.ts';
import { seedEncryptedDemo, workersAt } from './embedded/demo-device.ts';
import { type Embedded, LOCAL_HOST, startEmbedded } from './embedded/embedded.ts';
import { printIterations } from './embedded/iteration-printer.ts';
import { consoleOn } from './process/console-port.ts';
import { startWorkerd } from './process/workerd-process.ts';

/**
 * Everything on one machine with one command: embedded PostgreSQL, both Workers, a demo user, a
 * demo planner.
 */
async function start(): Promise<void> {
  const embedded = await startEmbedded();
  const { config, dataDir } = embedded;
  const console = await consoleOn(embedded.environment, LOCAL_HOST);
  const { environment } = console;
  atStop(await printIterations(embedded.databaseUrl, say));
  const ports = {
    manaAi: config.port,
    manaAuth: config.authPort,
    manaConsole: console.port,
  };
  const workerd = await startWorkerd({ environment, dataDir, host: LOCAL_HOST, ports });
  noteSession(embedded);
  await seedEncrypted(embedded);
  welcome(config.port, embedded.token, embedded.usesDemoPlanner);
  await sayWhereToOpen(embedded);
  throw await workerd.ended;
}

/** The command line finds its way and the demo user's token here. */
function noteSession({ config, dataDir, token }: Embedded): void {
  const [url, authUrl] = [config.port, config.authPort].map(
    (port) => `http://${LOCAL_HOST}:${port}`,
  );
  writeFileSync(`${dataDir}/session.json`, JSON.stringify({ url, authUrl, token }), {
    mode: 0o600,
  });
}

/** Needs the Workers: the vault makes the master key, and mana-auth the grants. */
async function seedEncrypted({ config, databaseUrl, token }: Embedded): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const access = { ...workersAt(config.port, config.authPort), token };
    await seedEncryptedDemo(client, access, Date.now());
  } catch (thrown) {
    // If another service signs user tokens (MANA_JWKS_URL), it does not know the demo user.
    say(
      `the demo with encrypted notes is left out: ${thrown instanceof Error ? thrown.message : 'failed'}`,
    );
  } finally {
    await client.end();
  }
}

function welcome(port: number, token: string, usesDemoPlanner: boolean): void {
  const url = `http://${LOCAL_HOST}:${port}`;
  if (usesDemoPlanner)
    say(
      'planning with the demo planner, which follows simple rules; set MANA_LLM_URL for a real model',
    );
  say(`health:   ${url}/health`);
  say(`missions: ${url}/api/v1/me/missions`);
  say(`token:    ${token}`);
  say(`API:      ${url}/docs`);
  say(`try:      npx mana-edge review, then npx mana-edge records list todo`);
  say(`or:       curl -H "Authorization: Bearer ${token}" ${url}/api/v1/me/missions`);
}

/** The line to open. It comes last, so that it stands where the eyes are. */
async function sayWhereToOpen({ config, token }: Embedded): Promise<void> {
  const { manaAuth } = workersAt(config.port, config.authPort);
  try {
    const response = await fetch(`${manaAuth}/api/v1/me/sign-in-links`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    const { url } = await response.json<{ url?: string }>();
    if (url !== undefined) say(`\nopen:     ${url}`);
  } catch {
    say('the console gives no link now; `npx mana-edge login` asks for one');
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await runCommand(start);
