import { readFileSync } from 'node:fs';
import { runCommand } from './process/command.ts';
import { DemoDevice, type DeviceAccess } from './embedded/demo-device.ts';
import { checkedConfig } from './process/checked-config.ts';
import { readEnvironment, StartError } from './process/environment.ts';

/**
 * Prints a demo mission's iterations as its owner's device shows them: fetched as ciphertext,
 * opened here.
 */
async function read(): Promise<void> {
  const [missionId = 'demo-notes'] = process.argv.slice(2);
  const { dataDir } = checkedConfig(readEnvironment());
  const access = sessionOf(dataDir);
  process.stdout.write(`${JSON.stringify(await iterationsOf(access, missionId), null, 2)}\n`);
}

/** What a running `npm start` left: it may have been given other ports than this command. */
function sessionOf(dataDir: string): DeviceAccess {
  try {
    const session = JSON.parse(readFileSync(`${dataDir}/session.json`, 'utf8')) as Record<
      'url' | 'authUrl' | 'token',
      string
    >;
    return { manaAi: session.url, manaAuth: session.authUrl, token: session.token };
  } catch {
    throw new StartError(
      `there is no session in ${dataDir}; run \`npm start\` with the same MANA_DATA_DIR`,
    );
  }
}

async function iterationsOf(
  access: Parameters<typeof DemoDevice.open>[0],
  missionId: string,
): Promise<unknown[]> {
  try {
    return await (await DemoDevice.open(access)).iterations(missionId);
  } catch (thrown) {
    throw new StartError(
      `${thrown instanceof Error ? thrown.message : 'failed'}; does \`npm start\` run?`,
    );
  }
}

await runCommand(read);
