import type { PassState, TurnCounts } from '../../durable-objects/admission/pass.ts';
import {
  CHANGE_FEED_NAME,
  DISPATCHER_NAME,
  type RunnerEnv,
} from '../../durable-objects/bindings.ts';
import type { TickResult } from '../missions/views.ts';

const LONGEST_WAIT_MS = 60_000;
const LOOK_EVERY_MS = 100;

const NO_TURNS: TurnCounts = { due: 0, plansProduced: 0, plansWrittenBack: 0, parseFailures: 0 };

/**
 * One full pass on demand: read the log's changes, run everything that is due, wait up to 60 s for it.
 * The wait is here and in short calls: an object that waited for runs itself would keep all of their objects in memory.
 */
export async function tickOnce(env: RunnerEnv): Promise<TickResult> {
  const scannedAt = new Date().toISOString();
  const dispatcher = env.DISPATCHER.getByName(DISPATCHER_NAME);
  const scanError = await scan(env);
  let pass: PassState = await dispatcher.startPass(crypto.randomUUID());
  if (pass.state === 'overlap') return answer(scannedAt, NO_TURNS, ['overlap-skipped']);
  const { passId } = pass;
  const deadlineMs = Date.now() + LONGEST_WAIT_MS;
  let last = pass;
  while (pass.state === 'running' && Date.now() < deadlineMs) {
    await scheduler.wait(LOOK_EVERY_MS);
    pass = await dispatcher.passState(passId);
    if (pass.state !== 'overlap') last = pass;
  }
  await dispatcher.endPass(passId);
  const open = last.open > 0 ? [`still-running:${last.open}`] : [];
  return answer(scannedAt, last.turns, [...scanError, ...last.errors, ...open]);
}

/** A log that cannot be read is an error of the tick, not its end: what is known to be due runs as far as it can. */
async function scan(env: RunnerEnv): Promise<string[]> {
  const scanned = await env.CHANGE_FEED.getByName(CHANGE_FEED_NAME).scan();
  return scanned.ok ? [] : [scanned.code];
}

function answer(scannedAt: string, turns: TurnCounts, errors: string[]): TickResult {
  const { due, plansProduced, plansWrittenBack, parseFailures } = turns;
  return {
    scannedAt,
    dueMissionCount: due,
    plansProduced,
    plansWrittenBack,
    parseFailures,
    errors,
  };
}
