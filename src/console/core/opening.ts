import { missionRef } from '../../grants/names.ts';
import { deriveRecordKeys, type RecordKeys } from '../../grants/record-keys.ts';
import { encryptRecord, openIteration, openRecord } from '../../grants/records.ts';
import { encryptField } from '../../grants/fields.ts';
import { stepPath } from '../../grants/paths.ts';
import type { Json, Mission } from './missions.ts';
import { usePromise } from './store.ts';
import type { Keys } from './vault.ts';

const VERSIONS = /enc:2:([1-9]\d{0,9}):/g;
/** Each version costs a derivation, and the text comes from a server. */
const MOST_VERSIONS = 32;

const derived = new Map<string, Promise<RecordKeys>>();

function keysOf(keys: Keys, missionId: string, text: string): Promise<RecordKeys> {
  const found = Array.from(text.matchAll(VERSIONS), ([, version]) => Number(version));
  const versions = [...new Set(found)].toSorted((a, b) => a - b).slice(0, MOST_VERSIONS);
  const name = JSON.stringify([keys.userId, missionId, versions]);
  const known = derived.get(name);
  if (known !== undefined) return known;
  const made = deriveRecordKeys(
    keys.masterKey,
    missionRef(missionId),
    versions.length === 0 ? [1] : versions,
  );
  derived.set(name, made);
  return made;
}

/** Whether any text of it is ciphertext. */
export function isSealed(value: unknown): boolean {
  return JSON.stringify(value ?? null).includes('"enc:');
}

export type Texts = { title: string; objective: string; conceptMarkdown: string };

const titles = new WeakMap<Mission, Promise<Texts>>();

/** The texts of a mission; those that do not open stay as they are. */
export function openTexts(keys: Keys | null, mission: Mission): Promise<Texts> {
  const { title, objective, conceptMarkdown = '' } = mission;
  const record = { title, objective, conceptMarkdown };
  if (keys === null || !isSealed(record)) return Promise.resolve(record);
  const known = titles.get(mission);
  if (known !== undefined) return known;
  const made = keysOf(keys, mission.id, JSON.stringify(record)).then(async (recordKeys) => {
    const opened = await openRecord({ keys: recordKeys, ref: missionRef(mission.id), record });
    return opened.ok ? (opened.record as Texts) : record;
  });
  titles.set(mission, made);
  return made;
}

/** `opened`: everything of it can be read. */
export type OpenedIteration = { iteration: Json; opened: boolean };

const iterations = new WeakMap<Json, Promise<OpenedIteration>>();

export function openPlan(
  keys: Keys | null,
  missionId: string,
  iteration: Json,
): Promise<OpenedIteration> {
  if (!isSealed(iteration)) return Promise.resolve({ iteration, opened: true });
  if (keys === null) return Promise.resolve({ iteration, opened: false });
  const known = iterations.get(iteration);
  if (known !== undefined) return known;
  const made = keysOf(keys, missionId, JSON.stringify(iteration)).then(async (recordKeys) => {
    const opened = await openIteration({ keys: recordKeys, missionId, iteration });
    return opened.ok ? { iteration: opened.iteration, opened: true } : { iteration, opened: false };
  });
  iterations.set(iteration, made);
  return made;
}

/** Forgets what was opened: the browser was locked. */
export function forgetOpened(): void {
  derived.clear();
}

export function useTexts(keys: Keys | null, mission: Mission): Texts {
  const { title, objective, conceptMarkdown = '' } = mission;
  const opened = usePromise(() => openTexts(keys, mission), pairOf(keys, mission));
  return opened ?? { title, objective, conceptMarkdown };
}

export function useOpened(keys: Keys | null, missionId: string, iteration: Json): OpenedIteration {
  const opened = usePromise(() => openPlan(keys, missionId, iteration), pairOf(keys, iteration));
  return opened ?? { iteration, opened: !isSealed(iteration) };
}

const LOCKED = {};
const pairs = new WeakMap<object, WeakMap<object, object>>();

/** One object for two: what a hook compares. */
function pairOf(keys: Keys | null, of: object): object {
  const first = keys ?? LOCKED;
  const known = pairs.get(first) ?? new WeakMap<object, object>();
  pairs.set(first, known);
  const pair = known.get(of) ?? {};
  known.set(of, pair);
  return pair;
}

/** The texts of a mission as they are stored: sealed where the person has a vault. */
export async function sealTexts(
  keys: Keys,
  missionId: string,
  record: Json,
): Promise<Record<string, unknown>> {
  const ref = missionRef(missionId);
  return encryptRecord({
    keys: await deriveRecordKeys(keys.masterKey, ref, [1]),
    version: 1,
    ref,
    record,
    fields: ['title', 'objective', 'conceptMarkdown'],
  });
}

/** The version under which a stored step is sealed; null for one that is open. */
export function versionOf(step: Json): number | null {
  const [, version] = /enc:2:([1-9]\d{0,9}):/.exec(JSON.stringify(step)) ?? [];
  return version === undefined ? null : Number(version);
}

/** A value of a step, sealed as the step itself is. */
export async function sealStepField(
  keys: Keys,
  where: {
    missionId: string;
    iterationId: string;
    stepId: string;
    field: 'params' | 'summary' | 'body';
  },
  version: number,
  value: unknown,
): Promise<string> {
  const ref = missionRef(where.missionId);
  const recordKeys = await deriveRecordKeys(keys.masterKey, ref, [version]);
  const path = stepPath(where.iterationId, where.stepId, where.field);
  return encryptField({ keys: recordKeys, version, ref, path: path ?? '', value });
}
