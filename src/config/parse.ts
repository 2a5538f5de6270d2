import { z } from 'zod';
import {
  type Reader,
  variable,
  type VariableName,
  VARIABLE_NAMES,
  type VARIABLES,
} from './variables.ts';

/** An environment, or a Worker's bindings; names that are not ours are ignored. */
export type Environment = Readonly<Record<string, unknown>> | object;

/**
 * The first malformed variable. `message` says what it wants and never holds its value:
 * `<variable> <message>` is a sentence.
 */
export type ConfigRefusal = { ok: false; variable: string; message: string };

type Table = typeof VARIABLES;
type NameReadBy<By extends Reader> = {
  [Name in VariableName]: Extract<By, Table[Name]['readers'][number]> extends never ? never : Name;
}[VariableName];

/** Values by name, of the variables that one of these readers reads; null is unset. */
export type Values<By extends Reader> = {
  [Name in NameReadBy<By>]:
    z.output<Table[Name]['schema']> | (Table[Name]['default'] extends string ? never : null);
};

/**
 * Parses the variables that one of `readers` reads. Empty, null and undefined are unset (compose
 * passes `${VAR:-}`); numbers and booleans, as the `[vars]` of a wrangler.toml may have them, are
 * read as text.
 */
export function parseVariables<By extends Reader>(
  environment: Environment,
  readers: readonly By[],
): { ok: true; values: Values<By> } | ConfigRefusal {
  const given: Record<string, unknown> = { ...environment };
  const names = VARIABLE_NAMES.filter((name) =>
    variable(name).readers.some((reader) => (readers as readonly Reader[]).includes(reader)),
  );
  const texts = Object.fromEntries(names.map((name) => [name, textOf(name, given[name])]));
  const parsed = schemaOf(names).safeParse(texts);
  if (parsed.success) return { ok: true, values: parsed.data as Values<By> };
  const [issue] = parsed.error.issues;
  return {
    ok: false,
    variable: String(issue?.path[0]),
    message: issue?.message ?? 'is malformed',
  };
}

function schemaOf(names: readonly VariableName[]): z.ZodObject {
  return z.object(
    Object.fromEntries(
      names.map((name) => {
        const { schema, default: fallback } = variable(name);
        return [name, fallback === null ? schema.nullable() : schema];
      }),
    ),
  );
}

function textOf(name: VariableName, value: unknown): unknown {
  if (value === undefined || value === null || value === '') return variable(name).default;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}
