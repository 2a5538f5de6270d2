import { z } from 'zod';
import { oneLine } from '../text.ts';
import { readableDate } from './readable-date.ts';

/**
 * A tool that the model may call. The runner never executes one of kind 'propose': a call becomes a step of the plan. One of
 * kind 'read' is answered from what the run may see, and leaves no step.
 * `name` is `[a-z0-9_]`, at most 64 characters, because some servers rewrite other names.
 */
export type Tool = {
  name: string;
  module: string;
  kind: 'propose' | 'read';
  description: string;
  parameters: z.ZodObject;
  /** words, beside those of its name, by which a mission's text asks for it; lower case */
  words: readonly string[];
  /** A sentence for a person, one line of fewer than 200 characters. */
  summarise: (params: Record<string, unknown>) => string;
};

type ToolSpec<Shape extends z.ZodRawShape> = {
  name: string;
  description: string;
  parameters: Shape;
  summarise: (params: z.infer<z.ZodObject<Shape, z.core.$strict>>) => string;
};

/** Makes a tool of one module; still without its module's name and words. */
export type ModuleTool = Omit<Tool, 'module' | 'words'>;

/** Characters of a sentence about a step. */
export const MAX_SUMMARY = 199;
const MAX_QUOTE = 80;

/** Characters of one text among a tool's parameters. */
export const MAX_TEXT = 20_000;

/** A tool with typed parameters; unknown parameters are refused, `summarise` sees validated ones only. */
export function tool<const Shape extends z.ZodRawShape>(spec: ToolSpec<Shape>): ModuleTool {
  const parameters = z.strictObject(spec.parameters);
  return {
    name: spec.name,
    kind: 'propose',
    description: spec.description,
    parameters,
    summarise: (params) => {
      const parsed = parameters.safeParse(params);
      return oneLine(
        parsed.success ? spec.summarise(parsed.data) : `Use ${spec.name}`,
        MAX_SUMMARY,
      );
    },
  };
}

/** A tool that only reads; its answer comes from elsewhere. */
export function readingTool<const Shape extends z.ZodRawShape>(
  spec: Omit<ToolSpec<Shape>, 'summarise'>,
): ModuleTool {
  return {
    ...tool({ ...spec, summarise: () => `Look something up with ${spec.name}` }),
    kind: 'read',
  };
}

/** The tools of one module of the app. `words` are those of a mission's text that speak of it, in English and German. */
export function toolsOf(
  module: string,
  words: readonly string[],
  tools: readonly ModuleTool[],
): readonly Tool[] {
  return tools.map((entry) => ({ ...entry, module, words }));
}

/** Text that must say something, at most `MAX_TEXT` characters. */
export function text(description?: string): z.ZodString {
  return boundedText(description).refine((value) => value.trim() !== '', 'must not be empty');
}

/** Text that may be left out, at most `MAX_TEXT` characters. */
export function optionalText(description?: string): z.ZodOptional<z.ZodString> {
  return z.optional(boundedText(description));
}

/** The id of a record; the model must have read it somewhere. */
export function id(of: string): z.ZodString {
  return text(`Id of ${of}, exactly as it stands in the data.`);
}

/** What a parameter of a time holds; `past`: its tool records what was, so a day that is over is meant. */
export type TimeKind = { kind: 'day' | 'instant'; past: boolean };

const times = new WeakMap<z.ZodType, TimeKind>();

/** A day to come, YYYY-MM-DD. */
export function day(of: string): z.ZodString {
  return timed(text(`${of}, YYYY-MM-DD.`), { kind: 'day', past: false });
}

/** A day of something that was, YYYY-MM-DD. */
export function pastDay(of: string): z.ZodString {
  return timed(text(`${of}, YYYY-MM-DD.`), { kind: 'day', past: true });
}

/** A moment to come, in ISO 8601 with its offset. */
export function instant(of: string): z.ZodString {
  return timed(text(`${of}, ISO 8601 with offset, e.g. 2027-01-04T09:00:00+01:00.`), {
    kind: 'instant',
    past: false,
  });
}

/** The kind of time that a parameter holds, given or left out; undefined for all others. */
export function timeKindOf(schema: z.ZodType): TimeKind | undefined {
  return times.get(schema instanceof z.ZodOptional ? (schema.unwrap() as z.ZodType) : schema);
}

function timed(schema: z.ZodString, kind: TimeKind): z.ZodString {
  times.set(schema, kind);
  return schema;
}

/** A number within a scale, which its description names. */
export function scale(least: number, most: number, of: string): z.ZodNumber {
  return described(z.number(), `${of}, ${least} to ${most}.`).refine(
    (value) => value >= least && value <= most,
    `must be ${least} to ${most}`,
  );
}

/** A finite number. */
export function number(description?: string): z.ZodNumber {
  return described(z.number(), description);
}

/** One of fixed words. */
export function oneOf<const Values extends readonly [string, ...string[]]>(
  values: Values,
  description?: string,
): z.ZodEnum<{ [Value in Values[number]]: Value }> {
  return described(z.enum(values), description) as z.ZodEnum<{ [Value in Values[number]]: Value }>;
}

/** Words of a person inside a summary: one line, in quotes, at most 80 characters between them. */
export function quote(words: string): string {
  return `'${oneLine(words, MAX_QUOTE)}'`;
}

/** ` <before><value>` for a summary, or nothing where there is no value. */
export function part(before: string, value: string | number | undefined): string {
  const shown = value === undefined ? '' : oneLine(String(value), MAX_QUOTE);
  return shown === '' ? '' : `${before}${shown}`;
}

/** ` <before><date>` for a summary, as a person says it, or nothing where there is none. */
export function datePart(before: string, date: string | undefined): string {
  return part(before, date === undefined ? undefined : readableDate(date));
}

const schemas = new WeakMap<z.ZodObject, Record<string, unknown>>();

/** The JSON Schema of a tool's parameters, as the chat completions API wants it. Do not change the answer: it is shared. */
export function jsonSchemaOf({ parameters }: Tool): Record<string, unknown> {
  const known = schemas.get(parameters);
  if (known !== undefined) return known;
  const { $schema: _dialect, ...schema } = z.toJSONSchema(parameters) as Record<string, unknown>;
  schemas.set(parameters, schema);
  return schema;
}

/** The cap is a refinement, not `.max()`: the schema that every request carries need not repeat it for each text. */
function boundedText(description: string | undefined): z.ZodString {
  return described(z.string(), description).refine(
    (value) => value.length <= MAX_TEXT,
    `must have at most ${MAX_TEXT} characters`,
  );
}

function described<Schema extends z.ZodType>(
  schema: Schema,
  description: string | undefined,
): Schema {
  return description === undefined ? schema : schema.describe(description);
}
