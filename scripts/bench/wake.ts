import type { Stage } from './stage.ts';
import { percentile } from './measure.ts';
import type { Call } from './model.ts';
import { insertMissions, missionsDueAt } from './seed.ts';

export type WakeFigures = { wakes: number; p50Ms: number; p99Ms: number };

/**
 * From a device's commit to the first request at the model, one mission after the other, on a
 * runner with nothing else to do.
 */
export async function measureWake({ database, model }: Stage, wakes: number): Promise<WakeFigures> {
  model.latencyMs = 0;
  const delays: number[] = [];
  for (let n = 0; n < wakes; n += 1) {
    const [mission] = missionsDueAt(1, Date.now() - 60_000);
    if (mission === undefined) continue;
    const first = firstCall(model, mission.key);
    const finished = lastAnswer(model, mission.key);
    await insertMissions(database, [mission]);
    const committedMs = Date.now();
    delays.push((await first).atMs - committedMs);
    await finished;
  }
  model.onRequest = () => undefined;
  model.onAnswer = () => undefined;
  return { wakes, p50Ms: percentile(delays, 50), p99Ms: percentile(delays, 99) };
}

async function firstCall(model: Stage['model'], key: string): Promise<Call> {
  return new Promise((done) => {
    model.onRequest = (call) => {
      if (call.mission === key) done(call);
    };
  });
}

async function lastAnswer(model: Stage['model'], key: string): Promise<void> {
  return new Promise((done) => {
    model.onAnswer = ({ mission, round }) => {
      if (mission === key && round === 2) done();
    };
  });
}
