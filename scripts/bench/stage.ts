import { type BenchDatabase, startBenchDatabase } from './database.ts';
import { type BenchModel, startBenchModel } from './model.ts';
import { type BenchRunner, startBenchRunner } from './runner.ts';

export type Stage = { database: BenchDatabase; model: BenchModel; runner: BenchRunner };

/**
 * Starts all parts, works with them and ends them, so that one measurement does not load the
 * machine for the next.
 */
export async function onStage<T>(
  concurrency: number,
  work: (stage: Stage) => Promise<T>,
): Promise<T> {
  const database = await startBenchDatabase();
  const model = await startBenchModel();
  try {
    const runner = await startBenchRunner({
      databaseUrl: database.url,
      modelUrl: model.url,
      concurrency,
    });
    try {
      return await work({ database, model, runner });
    } finally {
      await runner.dispose();
    }
  } finally {
    await model.close();
    await database.stop();
  }
}
