import type { createLogger } from '../../src/telemetry/logs.ts';

/**
 * Runs a part of an alarm handler and throws nothing: workerd repeats an alarm that threw a few
 * times, and then deletes it.
 * @returns whether it went well
 */
export async function guarded(
  log: ReturnType<typeof createLogger>,
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    log.error('a part of an alarm failed', { code: 'ALARM_FAILED' });
    return false;
  }
}
