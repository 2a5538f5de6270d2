import { z } from 'zod';
import { isRecord } from '../values/fields.ts';
import { withoutControls } from './text.ts';
import type { Tool } from './tools/tool.ts';

/** Characters of a call's arguments, as JSON text. */
export const MAX_ARGUMENTS = 16_000;
const MAX_DEPTH = 32;

export type ArgumentsReading =
  { ok: true; params: Record<string, unknown> } | { ok: false; problem: string };

/**
 * Reads a call's arguments: the JSON text of an object that keeps the tool's schema. The params are safe to store in jsonb
 * (well-formed Unicode, no NUL) and bounded; `problem` is a sentence for the model.
 */
export function readArguments(tool: Tool, text: string): ArgumentsReading {
  if (text.length > MAX_ARGUMENTS)
    return { ok: false, problem: `The arguments are longer than ${MAX_ARGUMENTS} characters.` };
  const parsed = parseObject(text);
  if (parsed === null)
    return { ok: false, problem: 'The arguments are not the text of a JSON object.' };
  if (isDeeperThan(parsed, MAX_DEPTH))
    return { ok: false, problem: 'The arguments are nested too deeply.' };
  const checked = tool.parameters.safeParse(withoutNulls(tool, cleaned(parsed)));
  if (checked.success) return { ok: true, params: checked.data };
  return {
    ok: false,
    problem: `The arguments do not fit: ${describeIssues(checked.error.issues)}`,
  };
}

/** The JSON object that `text` holds; {} for blank text, which is how some models call a tool without parameters. */
export function parseObject(text: string): Record<string, unknown> | null {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

/** JSON text in which the order of keys says nothing: equal for equal values. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isRecord(value)) return JSON.stringify(value) ?? 'null';
  const entries = Object.keys(value)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
  return `{${entries.join(',')}}`;
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((inner) => isDeeperThan(inner, depth - 1));
}

function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return withoutControls(value).toWellFormed();
  if (Array.isArray(value)) return value.map(cleaned);
  if (!isRecord(value)) return value;
  // fromEntries makes own properties of every key; `__proto__` would still surprise whoever assigns it on.
  const entries = Object.entries(value).filter(([key]) => key !== '__proto__');
  return Object.fromEntries(
    entries.map(([key, inner]) => [withoutControls(key).toWellFormed(), cleaned(inner)]),
  );
}

/** Small models fill every parameter of a schema; null for one that may be left out means that it is. */
function withoutNulls({ parameters: { shape } }: Tool, params: unknown): unknown {
  if (!isRecord(params)) return params;
  const isAbsent = (name: string, value: unknown): boolean =>
    value === null && Object.hasOwn(shape, name) && shape[name] instanceof z.ZodOptional;
  return Object.fromEntries(
    Object.entries(params).filter(([name, value]) => !isAbsent(name, value)),
  );
}

function describeIssues(
  issues: readonly { path: readonly PropertyKey[]; message: string }[],
): string {
  return issues
    .slice(0, 5)
    .map(({ path, message }) =>
      path.length > 0 ? `${path.map(String).join('.')}: ${message}` : message,
    )
    .join('; ')
    .slice(0, 500);
}
