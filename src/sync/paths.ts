/**
 * Fields of a row that name a part of an object: `cadence.atHour` is `atHour` in `cadence`. Devices send such a path where a part of an
 * object changed. Each path is a register of its own; the value of a field is put together from the registers that count.
 */
import { isRecord } from '../values/fields.ts';
import { isRawNumber } from '../values/json.ts';

/** A path with these parts would reach an object's prototype. */
const REFUSED_PARTS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** No app nests its records so deep; without a limit one field name could make an object too deep to be written as JSON. */
const MOST_PARTS = 32;

/** True for a path into an object; false for a plain field. */
export function isPath(field: string): boolean {
  return field.includes('.');
}

/** True for a path that is refused: it leads to a prototype, or is deeper than any record. */
export function isRefusedPath(field: string): boolean {
  if (!isPath(field)) return false;
  const parts = field.split('.');
  return parts.length > MOST_PARTS || parts.some((part) => REFUSED_PARTS.has(part));
}

/** The field that a path leads into: `cadence` of `cadence.atHour`. A plain field is its own root. */
export function rootOf(field: string): string {
  const dot = field.indexOf('.');
  return dot === -1 ? field : field.slice(0, dot);
}

/** The shorter paths that lead to a path, the root first: `a` and `a.b` of `a.b.c`. */
export function pathsAbove(field: string): string[] {
  const parts = field.split('.');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('.'));
}

/** True where `field` lies below `above`. */
export function isBelow(field: string, above: string): boolean {
  return field.startsWith(`${above}.`);
}

/** Negative where `a` has fewer parts than `b`: shorter paths are put in first. */
export function compareDepth(a: string, b: string): number {
  return a.split('.').length - b.split('.').length;
}

/** `value` with `part` at the path `parts`; objects on the way are copied, and what is no object becomes one. */
export function withPart(value: unknown, parts: readonly string[], part: unknown): unknown {
  const [name, ...rest] = parts;
  if (name === undefined) return part;
  const object = isPlainObject(value) ? value : {};
  const inner = Object.hasOwn(object, name) ? object[name] : undefined;
  return { ...object, [name]: withPart(inner, rest, part) };
}

/** True for a JSON object: no array, no null, no number that was kept as text. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return isRecord(value) && !isRawNumber(value);
}

/**
 * What has to be written so that `before` becomes `after`, field by field as devices write it: the changed leaves of an object that stands
 * as paths, removed keys as null, arrays and everything else whole. Empty where nothing differs.
 * @param isSame compares two values of any kind
 */
export function changedFields(
  field: string,
  before: unknown,
  after: unknown,
  isSame: (a: unknown, b: unknown) => boolean,
): [field: string, value: unknown][] {
  if (isSame(before, after)) return [];
  if (!isPlainObject(before) || !isPlainObject(after)) return [[field, after]];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  // A key that no path can name is only reached with the object around it.
  if (!names.every(isPathPart)) return [[field, after]];
  return names.flatMap((name) =>
    changedFields(`${field}.${name}`, before[name] ?? null, after[name] ?? null, isSame),
  );
}

function isPathPart(name: string): boolean {
  return name !== '' && !name.includes('.') && !REFUSED_PARTS.has(name);
}
