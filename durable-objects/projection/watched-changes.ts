import type { OwnerMission } from '../../src/missions/views.ts';
import type { MissionStore, NotedChange } from './mission-store.ts';

/**
 * Server-sent events as text, and the id that a stream resumes from. `more`: there are further ones
 * to ask for.
 */
export type MissionEvents = { events: string[]; cursor: string; more: boolean };

/** The parts of a user's object that events are made from. */
export type EventSource = {
  store: MissionStore;
  /** null: deleted, or not there */
  mission: (missionId: string) => Promise<OwnerMission | null>;
  newEpoch: () => string;
};

/** One read of a stream tells this many changes at most, because iterations can be large. */
const MOST_CHANGES = 50;

/**
 * What changed after a cursor. Each event tells the present state of a mission or an iteration, so
 * several changes of one are one event. A cursor is `<epoch>-<revision>`; '' means "from now on".
 * Revisions hold until the cache is rebuilt from the log: then the epoch is another one, and a
 * stream with an older cursor gets everything once.
 */
export async function eventsAfter(source: EventSource, cursor: string): Promise<MissionEvents> {
  const { store } = source;
  const epoch = epochOf(source);
  if (cursor === '') {
    const now = `${epoch}-${store.lastRevision()}`;
    return {
      events: [`retry: 3000\nid: ${now}\nevent: ready\ndata: {}\n\n`],
      cursor: now,
      more: false,
    };
  }
  const [ofEpoch, revision] = parse(cursor);
  const changes = store.changesAfter(ofEpoch === epoch ? revision : 0, MOST_CHANGES);
  const events: string[] = [];
  let last = ofEpoch === epoch ? cursor : `${epoch}-0`;
  for (const change of changes) {
    last = `${epoch}-${change.revision}`;
    events.push(eventText(last, change, await source.mission(change.missionId)));
  }
  return { events, cursor: last, more: changes.length === MOST_CHANGES };
}

function epochOf({ store, newEpoch }: EventSource): string {
  const known = store.meta('epoch');
  if (known !== null) return known;
  const epoch = newEpoch();
  store.setMeta('epoch', epoch);
  return epoch;
}

function parse(cursor: string): [epoch: string, revision: number] {
  const [, epoch = '', revision = ''] = /^([0-9a-z]{1,16})-(\d{1,15})$/.exec(cursor) ?? [];
  return [epoch, Number(revision)];
}

function eventText(
  id: string,
  { missionId, iterationId }: NotedChange,
  mission: OwnerMission | null,
): string {
  const [name, data] =
    iterationId === ''
      ? ofMission(missionId, mission)
      : ofIteration(missionId, iterationId, mission);
  return `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function ofMission(missionId: string, mission: OwnerMission | null): [string, unknown] {
  if (mission === null) return ['mission-deleted', { missionId }];
  const { iterations, ...fields } = mission;
  return ['mission', { missionId, mission: fields, iterationIds: iterations.flatMap(idOf) }];
}

function ofIteration(
  missionId: string,
  iterationId: string,
  mission: OwnerMission | null,
): [string, unknown] {
  const iteration = mission?.iterations.find((item) => idOf(item)[0] === iterationId);
  return iteration === undefined
    ? ['iteration-deleted', { missionId, iterationId }]
    : ['iteration', { missionId, iterationId, iteration }];
}

function idOf(item: unknown): string[] {
  const id = typeof item === 'object' && item !== null && 'id' in item ? item.id : undefined;
  return typeof id === 'string' ? [id] : [];
}
