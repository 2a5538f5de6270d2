import type { Context, Handler, Hono, MiddlewareHandler } from 'hono';
import { z } from 'zod';
import { readBounded } from './body.ts';

type Json<Schema extends z.ZodType> = { content: { 'application/json': { schema: Schema } } };
type Content = Readonly<Record<string, { schema: z.ZodType }>>;

/**
 * One route as data, in the form of an OpenAPI operation. Requests are checked with the very
 * schemas that describe the API.
 */
export type RouteDefinition<
  Body extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
> = {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** parameters in braces: `/things/{id}` */
  path: string;
  summary: string;
  /** how a caller proves who it is; left out if anybody may call */
  security?: readonly { readonly [scheme in SecurityScheme]?: readonly [] }[];
  request?: {
    body?: Json<Body> & { required: true };
    query?: Query;
    headers?: z.ZodObject;
  };
  responses: Readonly<Record<number, { description: string; content?: Content }>>;
};

export type SecurityScheme = 'userToken' | 'serviceKey' | 'drainToken';

export const USER_TOKEN = [{ userToken: [] }] as const;
export const SERVICE_KEY = [{ serviceKey: [] }] as const;
export const DRAIN_TOKEN = [{ drainToken: [] }] as const;

const refusal = z
  .object({
    error: z.string().describe('a sentence for people'),
    code: z.string().describe('UPPER_SNAKE, for programs'),
  })
  .meta({ id: 'Refusal' });

/** The request part of a route that takes a JSON body. */
export function takes<Body extends z.ZodType>(
  schema: Body,
): { body: Json<Body> & { required: true } } {
  return { body: { required: true, content: { 'application/json': { schema } } } };
}

/** An answer with a JSON body. */
export function answers<Schema extends z.ZodType>(
  description: string,
  schema: Schema,
): { description: string } & Json<Schema> {
  return { description, content: { 'application/json': { schema } } };
}

/** Refusals by status: each description lists the codes. */
export function refusals(
  codes: Readonly<Record<number, string>>,
): Record<number, { description: string } & Json<typeof refusal>> {
  return Object.fromEntries(
    Object.entries(codes).map(([status, names]) => [status, answers(names, refusal)]),
  );
}

const served = new WeakMap<Hono, RouteDefinition[]>();

/** What an app serves, in the order in which it was added. */
export function servedRoutes(app: Hono): readonly RouteDefinition[] {
  return served.get(app) ?? [];
}

/** Serves a route. Its guards and its handler stand in the order of their turn. */
export function serveRoute(
  app: Hono,
  route: RouteDefinition,
  ...handlers: (MiddlewareHandler | Handler)[]
): void {
  const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
  served.set(app, [...servedRoutes(app), route]);
  app.on(route.method.toUpperCase(), [path], ...handlers);
}

/**
 * What a request says where it fits its route's schema, else a sentence that names the first field
 * that is wrong.
 */
export type Read<Value> =
  { ok: true; value: Value } | { ok: false; code: 'BAD_REQUEST'; error: string };
export type ReadBody<Value> = Read<Value> | { ok: false; code: 'BODY_TOO_LARGE'; error: string };

/**
 * The request's body by a route's schema. The error names the first field that is wrong, never its
 * value.
 */
export async function readBody<Body extends z.ZodType>(
  c: Context,
  { request }: { request: { body: Json<Body> } },
  mostBytes: number,
): Promise<ReadBody<z.output<Body>>> {
  const bytes = await readBounded(c.req.raw, mostBytes);
  if (bytes === null) {
    return {
      ok: false,
      code: 'BODY_TOO_LARGE',
      error: `The body is larger than ${mostBytes} bytes.`,
    };
  }
  return checked(request.body.content['application/json'].schema, jsonOf(bytes), 'The body');
}

/** undefined for what is no JSON: no schema takes it. */
function jsonOf(bytes: Uint8Array<ArrayBuffer>): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** The request's query by a route's schema; of a name that comes twice the last counts. */
export function readQuery<Query extends z.ZodType>(
  c: Context,
  { request }: { request: { query: Query } },
): Read<z.output<Query>> {
  return checked(request.query, Object.fromEntries(new URL(c.req.url).searchParams), 'The query');
}

/** The error names the field, never its value. */
function checked<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  whole: string,
): Read<z.output<Schema>> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const [issue] = parsed.error.issues;
  const field = (issue?.path ?? []).map(String).join('.') || whole;
  return {
    ok: false,
    code: 'BAD_REQUEST',
    error: `${field}: ${lowerFirst(issue?.message ?? 'is not valid')}.`,
  };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
