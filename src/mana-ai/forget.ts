import { callUser } from '../../durable-objects/life/call-user.ts';
import {
  CHANGE_FEED_NAME,
  DISPATCHER_NAME,
  EVENT_HUB_NAME,
  type RunnerEnv,
} from '../../durable-objects/bindings.ts';

/** A poll that was under way may have brought the person back; then all of it is done once more. */
const MOST_TRIES = 3;

/** Where something of a person is stored or goes on in this process. */
export type Place = 'object' | 'agenda' | 'change-feed';

/**
 * Removes what the objects hold of a person. Their rows of the outbox and the list of users must be
 * gone before, or the feed reads them again.
 * @returns the places where something is left
 */
export async function forgetUser(env: RunnerEnv, userId: string): Promise<{ left: Place[] }> {
  for (let tries = 1; ; tries += 1) {
    await emptyAll(env, userId);
    const left = await placesWith(env, userId);
    if (left.length === 0 || tries === MOST_TRIES) return { left };
  }
}

/** Streams first and the agenda last: both could wake the object again. */
async function emptyAll(env: RunnerEnv, userId: string): Promise<void> {
  await env.EVENT_HUB.getByName(EVENT_HUB_NAME).forget(userId);
  await env.CHANGE_FEED.getByName(CHANGE_FEED_NAME).forget(userId);
  await emptyObject(env, userId);
  await env.DISPATCHER.getByName(DISPATCHER_NAME).forget(userId);
}

async function emptyObject(env: RunnerEnv, userId: string): Promise<void> {
  try {
    await env.USER_MISSIONS.getByName(userId).empty();
  } catch {
    // It has ended itself, as it should. Whether it is empty is asked next.
  }
}

async function placesWith(env: RunnerEnv, userId: string): Promise<Place[]> {
  const isEmpty = await callUser(env, userId, (user) => user.isEmpty());
  const onAgenda = await env.DISPATCHER.getByName(DISPATCHER_NAME).knows(userId);
  const inFeed = await env.CHANGE_FEED.getByName(CHANGE_FEED_NAME).knows(userId);
  const places: [Place, boolean][] = [
    ['object', !isEmpty],
    ['agenda', onAgenda],
    ['change-feed', inFeed],
  ];
  return places.filter(([, has]) => has).map(([place]) => place);
}
