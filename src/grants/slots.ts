import { isObject } from './bytes.ts';
import { isCiphertext } from './fields.ts';
import { MISSIONS_TABLE, type RecordRef } from './names.ts';
import { fieldPath, iterationPath, stepPath } from './paths.ts';

/**
 * A value inside a record or an iteration: where it stands, and the path that its ciphertext is
 * bound to (null if it can have none).
 */
export type Slot = { path: string | null; at: readonly (string | number)[]; value: unknown };

export type Json = Readonly<Record<string, unknown>>;

/** All top-level fields. */
export function fieldSlots(record: Json): Slot[] {
  return Object.entries(record).map(([name, value]) => ({
    path: fieldPath(name),
    at: [name],
    value,
  }));
}

/** The fields of an iteration that may be encrypted, as far as it has them. */
export function iterationSlots(iteration: unknown): Slot[] {
  if (!isObject(iteration)) return [];
  const { id, plan } = iteration;
  const steps = Array.isArray(plan)
    ? plan.flatMap((step, at) => stepSlots(id, step, ['plan', at]))
    : [];
  return [...present(iteration, 'summary', iterationPath(id), []), ...steps];
}

/** All ciphertext of a record, and of its iterations if it is a mission. */
export function ciphertextSlots(record: Json, { tableName }: RecordRef): Slot[] {
  const iterations = tableName === MISSIONS_TABLE ? record['iterations'] : undefined;
  const inside = Array.isArray(iterations)
    ? iterations.flatMap((iteration, at) => below(at, iteration))
    : [];
  return [...fieldSlots(record), ...inside].filter(({ value }) => isCiphertext(value));
}

/** A copy of the value with the slots' values replaced, in their order. */
export function withValues(
  original: Json,
  slots: readonly Slot[],
  values: readonly unknown[],
): Record<string, unknown> {
  const copy = structuredClone(original) as Record<string, unknown>;
  slots.forEach(({ at }, index) => setAt(copy, at, values[index]));
  return copy;
}

function below(at: number, iteration: unknown): Slot[] {
  return iterationSlots(iteration).map((slot) => ({ ...slot, at: ['iterations', at, ...slot.at] }));
}

function stepSlots(iterationId: unknown, step: unknown, at: readonly (string | number)[]): Slot[] {
  if (!isObject(step)) return [];
  const { id, intent } = step;
  const own = (['summary', 'rationale'] as const).flatMap((field) =>
    present(step, field, stepPath(iterationId, id, field), at),
  );
  const intended = (['params', 'body'] as const).flatMap((field) =>
    isObject(intent)
      ? present(intent, field, stepPath(iterationId, id, field), [...at, 'intent'])
      : [],
  );
  return [...own, ...intended];
}

function present(
  holder: Json,
  field: string,
  path: string | null,
  at: readonly (string | number)[],
): Slot[] {
  const value = holder[field];
  return value === undefined ? [] : [{ path, at: [...at, field], value: withoutAppended(value) }];
}

/** The app appends words to the summary of a step that failed, ciphertext or not. Ciphertext holds no space, so it ends at the first. */
function withoutAppended(value: unknown): unknown {
  if (!isCiphertext(value)) return value;
  const space = value.indexOf(' ');
  return space === -1 ? value : value.slice(0, space);
}

function setAt(
  root: Record<string, unknown>,
  at: readonly (string | number)[],
  value: unknown,
): void {
  let holder = root as Record<string | number, unknown>;
  for (const key of at.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
  const last = at.at(-1);
  if (last !== undefined) holder[last] = value;
}
