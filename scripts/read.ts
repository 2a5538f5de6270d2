import { runCommand } from './process/command.ts';
import { DemoDevice, workersAt } from './embedded/demo-device.ts';
import { DEMO_USER } from './embedded/demo-data.ts';
import { checkedConfig } from './process/checked-config.ts';
import { embeddedSecrets, signUserToken } from './embedded/embedded-secrets.ts';
import { readEnvironment, StartError } from './process/environment.ts';

/** Prints a demo mission's iterations as its owner's device shows them: fetched as ciphertext, opened here. */
async function read(): Promise<void> {
  const [missionId = 'demo-notes'] = process.argv.slice(2);
  const { dataDir, port, authPort, userTokens } = checkedConfig(readEnvironment());
  const { issuerKeyPem } = embeddedSecrets(dataDir);
  const token = await signUserToken(issuerKeyPem, { userId: DEMO_USER, ...userTokens });
  const access = { ...workersAt(port, authPort), token };
  process.stdout.write(`${JSON.stringify(await iterationsOf(access, missionId), null, 2)}\n`);
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
