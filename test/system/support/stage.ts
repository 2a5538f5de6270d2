import { afterAll, beforeAll } from 'vitest';
import { migrate } from '../../../scripts/migrate.ts';
import { type LlmStub, startLlmStub } from './llm-stub.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { type Runner, startRunner } from './runner.ts';

/** A migrated PostgreSQL, a scripted LLM, and the real runner between them. */
export type Stage = {
  postgres: TestPostgres;
  llm: LlmStub;
  runner: Runner;
  /** the variables that the runner was given besides those that every runner needs */
  environment: Record<string, string>;
};

export type StageOptions = {
  /** prepares the LLM before the runner starts */
  script?: (llm: LlmStub) => void;
  /** variables of the runner, as `grantKeys` makes them */
  environment?: () => Promise<Record<string, string>>;
};

/** Opens a stage for a part of a test file; the caller disposes of it. */
export async function openStage({
  script = () => undefined,
  environment = async () => ({}),
}: StageOptions = {}): Promise<Stage & { dispose(): Promise<void> }> {
  const postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
  const llm = await startLlmStub();
  script(llm);
  const variables = await environment();
  const runner = await startRunner({
    databaseUrl: postgres.databaseUrl,
    llmUrl: llm.url,
    environment: variables,
  });
  const dispose = async (): Promise<void> => {
    await runner.dispose();
    await llm.close();
    await postgres.stop();
  };
  return { postgres, llm, runner, environment: variables, dispose };
}

/**
 * The stage of a test file or of a `describe`: opened before its tests, disposed of after them. Its
 * parts may be taken at once and are there as soon as a test runs.
 */
export function useStage(options?: StageOptions): Stage {
  let stage: Awaited<ReturnType<typeof openStage>> | undefined;
  beforeAll(async () => {
    stage = await openStage(options);
  });
  afterAll(() => stage?.dispose());
  const opened = (): Stage => {
    if (stage === undefined) throw new Error('the stage opens with the first test');
    return stage;
  };
  return {
    postgres: standIn(() => opened().postgres),
    llm: standIn(() => opened().llm),
    runner: standIn(() => opened().runner),
    environment: standIn(() => opened().environment),
  };
}

/** An object that does as another one, which is made later. */
function standIn<T extends object>(object: () => T): T {
  return new Proxy({} as T, {
    get: (_, name) => Reflect.get(object(), name) as unknown,
    set: (_, name, value) => Reflect.set(object(), name, value),
    has: (_, name) => Reflect.has(object(), name),
    ownKeys: () => Reflect.ownKeys(object()),
    getOwnPropertyDescriptor: (_, name) => {
      const descriptor = Reflect.getOwnPropertyDescriptor(object(), name);
      return descriptor && { ...descriptor, configurable: true };
    },
  });
}
