import { createLogger } from '../../src/telemetry/logs.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import type { RunnerEnv, UserPort } from '../bindings.ts';
import { callAgainOnReset } from './call-again.ts';
import { ObjectFile } from './object-files.ts';

const log = createLogger({ component: 'user-missions' });

/** What reaching a user's object needs; `OBJECT_FILES` is absent on Cloudflare. */
export type UserWay = Pick<RunnerEnv, 'USER_MISSIONS' | 'OBJECT_FILES'>;

/** No person has this id: it holds a control character. */
const PROBE = '\u0000probe';

/**
 * Calls one user's object: again if it left memory meanwhile, and again if its file could not be
 * opened, which is removed then. What it held is in PostgreSQL.
 * @param call must be safe to repeat
 */
export async function callUser<T>(
  way: UserWay,
  userId: string,
  call: (user: UserPort) => Promise<T>,
): Promise<T> {
  const reach = (): Promise<T> => callAgainOnReset(() => call(way.USER_MISSIONS.getByName(userId)));
  try {
    return await reach();
  } catch (thrown) {
    const file = fileOf(way, userId);
    if (file === null || !(await isDamaged(way, userId))) throw thrown;
    await removed(file);
    return reach();
  }
}

/**
 * workerd tells nobody why it cannot open an object. Where the disk takes what another object of
 * the same kind writes, it is this object's file.
 */
async function isDamaged({ USER_MISSIONS }: UserWay, userId: string): Promise<boolean> {
  const opens = await isOk(callAgainOnReset(() => USER_MISSIONS.getByName(userId).ping()));
  return !opens && isOk(callAgainOnReset(() => USER_MISSIONS.getByName(PROBE).tryDisk()));
}

async function isOk(work: Promise<void>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

/** Removes the file of an object that does not come to itself, whatever is in it. */
export async function removeUserFile(way: UserWay, userId: string): Promise<void> {
  const file = fileOf(way, userId);
  if (file !== null) await removed(file);
}

async function removed(file: ObjectFile): Promise<void> {
  await file.remove();
  metrics.objectsRebuilt.inc();
  log.error('the damaged file of a user was removed; it is rebuilt from the log', {
    code: 'OBJECT_DAMAGED',
  });
}

function fileOf({ USER_MISSIONS, OBJECT_FILES }: UserWay, userId: string): ObjectFile | null {
  if (!OBJECT_FILES) return null;
  const id = USER_MISSIONS.idFromName(userId).toString();
  return new ObjectFile(OBJECT_FILES, { namespace: 'mana-ai-UserMissions', id });
}
