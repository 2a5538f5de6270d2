import { z } from 'zod';
import { isRecord } from '../values/fields.ts';
import { readLiteral, skipBlanks } from './literal.ts';
import { withoutControls } from './text.ts';
import type { Tool } from './tools/tool.ts';

/** Characters of a call's arguments, as JSON text. */
export const MAX_ARGUMENTS = 16_000;
const MAX_DEPTH = 32;

export type ArgumentsReading =
  { ok: true; params: Record<string, unknown> } | { ok: false; problem: string };

/**
 * Reads a call's arguments: the JSON text of an object that keeps the tool's schema. What is certain is mended: numbers and booleans as
 * text, a word of a list in another case, a trailing comma, text that was encoded twice or stands in a fence of code, names in another
 * spelling. The params are safe to store in jsonb (well-formed Unicode, no NUL) and bounded; `problem` is a sentence for the model.
 */
export function readArguments(tool: Tool, text: string): ArgumentsReading {
  if (text.length > MAX_ARGUMENTS)
    return { ok: false, problem: `The arguments are longer than ${MAX_ARGUMENTS} characters.` };
  const parsed = parseLoosely(text);
  if (parsed === null)
    return { ok: false, problem: 'The arguments are not the text of a JSON object.' };
  if (isDeeperThan(parsed, MAX_DEPTH))
    return { ok: false, problem: 'The arguments are nested too deeply.' };
  const mended = mend(tool.parameters, unwrapped(tool, cleaned(parsed) as Record<string, unknown>));
  const checked = tool.parameters.safeParse(withoutNulls(tool, mended));
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

/** The object that a text means: JSON, JSON in a fence of code, JSON as the text of JSON, or a literal with a comma too many. */
export function parseLoosely(text: string): Record<string, unknown> | null {
  const strict = parseObject(text);
  if (strict !== null || text.length > MAX_ARGUMENTS) return strict;
  const fenced = /^```\w{0,20}([^]*)```$/.exec(text.trim())?.[1]?.trim();
  const inner = fenced ?? text;
  const read = readLiteral(inner, 0);
  if (read === null || skipBlanks(inner, read.end) !== inner.length) return null;
  if (typeof read.value === 'string') return parseObject(read.value);
  return isRecord(read.value) ? read.value : null;
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

/** The arguments of a model that wrote the whole call, or a frame around them, in their place. */
function unwrapped(
  { parameters: { shape } }: Tool,
  params: Record<string, unknown>,
): Record<string, unknown> {
  const frames = Object.entries(params).filter(([name]) => !Object.hasOwn(shape, name));
  const frame = frames.find(([name]) =>
    ['arguments', 'parameters', 'args', 'params', 'input'].includes(name),
  );
  if (frame === undefined || Object.keys(params).some((name) => Object.hasOwn(shape, name)))
    return params;
  const [, inner] = frame;
  if (isRecord(inner)) return inner;
  return (typeof inner === 'string' ? parseObject(inner) : null) ?? params;
}

/** Names and values as the schema has them, where it is certain what is meant. */
function mend({ shape }: z.ZodObject, params: Record<string, unknown>): Record<string, unknown> {
  const names = new Map(Object.keys(shape).map((name) => [letters(name), name]));
  const entries = Object.entries(params).flatMap(([given, value]): [string, unknown][] => {
    const meant = names.get(letters(given));
    const name =
      Object.hasOwn(shape, given) || meant === undefined || Object.hasOwn(params, meant)
        ? given
        : meant;
    // What says nothing need not be known.
    if (!Object.hasOwn(shape, name) && (value === null || value === '')) return [];
    const schema = shape[name];
    return [[name, schema === undefined ? value : mendValue(schema as z.ZodType, value)]];
  });
  return Object.fromEntries(entries);
}

function letters(name: string): string {
  return name.toLowerCase().replace(/[^a-z\d]/g, '');
}

function mendValue(schema: z.ZodType, value: unknown): unknown {
  if (schema instanceof z.ZodOptional) return mendValue(schema.unwrap() as z.ZodType, value);
  if (typeof value !== 'string') return value;
  const text = value.trim();
  if (schema instanceof z.ZodNumber)
    return /^[-+]?\d+(?:\.\d+)?$/.test(text) ? Number(text) : value;
  if (schema instanceof z.ZodBoolean)
    return /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : value;
  if (schema instanceof z.ZodEnum) {
    const meant = schema.options.filter((option) => letters(String(option)) === letters(text));
    return meant.length === 1 && letters(text) !== '' ? meant[0] : value;
  }
  if (schema instanceof z.ZodArray || schema instanceof z.ZodRecord) {
    const read = readLiteral(text, 0);
    return read !== null && read.end === text.length ? read.value : value;
  }
  return value;
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
