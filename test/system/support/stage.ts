import { migrate } from '../../../scripts/migrate.ts';
import { type LlmStub, startLlmStub } from './llm-stub.ts';
import { grantKeys } from './person.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { type Runner, startRunner } from './runner.ts';

export type Stage = {
  postgres: TestPostgres;
  llm: LlmStub;
  runner: Runner;
  dispose(): Promise<void>;
};

/**
 * A migrated PostgreSQL, a scripted LLM and the real runner between them; `script` prepares the LLM before the runner starts,
 * `environment` adds variables.
 */
export async function openStage(
  script: (llm: LlmStub) => void = () => undefined,
  environment: Record<string, string> = {},
): Promise<Stage> {
  const postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
  const llm = await startLlmStub();
  script(llm);
  const runner = await startRunner({
    databaseUrl: postgres.databaseUrl,
    llmUrl: llm.url,
    environment,
  });
  const dispose = async (): Promise<void> => {
    await runner.dispose();
    await llm.close();
    await postgres.stop();
  };
  return { postgres, llm, runner, dispose };
}

/** The same with the keys of grants, and those keys. */
export async function openGrantStage(): Promise<Stage & { keys: Record<string, string> }> {
  const keys = await grantKeys();
  return { ...(await openStage(undefined, keys)), keys };
}
