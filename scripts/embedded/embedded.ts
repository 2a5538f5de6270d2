import { Client } from 'pg';
import type { ManaAiConfig } from '../../src/config/mana-ai.ts';
import { atStop } from '../process/command.ts';
import { checkedConfig } from '../process/checked-config.ts';
import { startDemoPlanner } from './demo-planner.ts';
import { DEMO_USER, seedDemoUser } from './demo-data.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';
import { embeddedSecrets, signUserToken, withOwnKeys } from './embedded-secrets.ts';
import {
  type Environment,
  makeDataDir,
  readEnvironment,
  StartError,
} from '../process/environment.ts';
import { migrate } from '../migrate.ts';

export const LOCAL_HOST = '127.0.0.1';

/** Everything around the Workers that the embedded default brings itself. */
export type Embedded = {
  environment: Environment;
  config: ManaAiConfig;
  dataDir: string;
  databaseUrl: string;
  token: string;
  usesDemoPlanner: boolean;
};

/**
 * Starts PostgreSQL in the data folder, migrates and seeds it, and starts the demo planner where no
 * LLM is configured.
 */
export async function startEmbedded(): Promise<Embedded> {
  const given = readEnvironment();
  const { dataDir: configuredDir, llm, userTokens } = checkedConfig(given);
  const dataDir = makeDataDir(configuredDir);
  const secrets = embeddedSecrets(dataDir);
  const postgres = await startPostgres(dataDir);
  const planner = llm.baseUrl === null ? await startPlanner() : null;
  const environment: Environment = {
    ...given,
    // Nothing but this runner's own page and command line decides here, unless somebody says
    // otherwise.
    MANA_DECIDE: given['MANA_DECIDE'] || 'here',
    DATABASE_URL: postgres.databaseUrl,
    ...withOwnKeys(given, secrets),
    ...(planner === null ? {} : { MANA_LLM_URL: planner.url, MANA_LLM_MODEL: 'demo-planner' }),
  };
  await prepareDatabase(postgres.databaseUrl);
  return {
    environment,
    config: checkedConfig(environment),
    dataDir,
    databaseUrl: postgres.databaseUrl,
    token: await signUserToken(environment['MANA_AUTH_ISSUER_KEY_PEM'] ?? '', {
      userId: DEMO_USER,
      ...userTokens,
    }),
    usesDemoPlanner: planner !== null,
  };
}

async function startPostgres(dataDir: string): ReturnType<typeof startEmbeddedPostgres> {
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: `${dataDir}/postgres` });
    atStop(() => postgres.stop());
    return postgres;
  } catch (thrown) {
    const expected = thrown instanceof Error && 'code' in thrown;
    throw expected ? new StartError(thrown.message) : thrown;
  }
}

async function startPlanner(): ReturnType<typeof startDemoPlanner> {
  const planner = await startDemoPlanner({ host: LOCAL_HOST });
  atStop(() => planner.close());
  return planner;
}

async function prepareDatabase(databaseUrl: string): Promise<void> {
  await migrate(databaseUrl);
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await seedDemoUser(client, Date.now());
  } finally {
    await client.end();
  }
}
