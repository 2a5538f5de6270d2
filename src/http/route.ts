import type { Context, Handler, Hono, MiddlewareHandler } from 'hono';
import { z } from 'zod';

type Json<Schema extends z.ZodType> = { content: { 'application/json': { schema: Schema } } };
type Content = Readonly<Record<string, { schema: z.ZodType }>>;

/** One route as data, in the form of an OpenAPI operation: what is validated here is what a description of the API says. */
export type RouteDefinition<Body extends z.ZodType = z.ZodType, Query extends z.ZodType = z.ZodType> = {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** parameters in braces: `/things/{id}` */
  path: string;
  summary: string;
  /** by what a caller proves who it is; none where anybody may call */
  security?: readonly { readonly [scheme in 'userToken' | 'serviceKey']?: readonly [] }[];
  request?: {
    body?: Json<Body> & { required: true };
    query?: Query;
    headers?: z.ZodObject;
  };
  responses: Readonly<Record<number, { description: string; content?: Content }>>;
};

export const USER_TOKEN = [{ userToken: [] }] as const;
export const SERVICE_KEY = [{ serviceKey: [] }] as const;

const refusal = z.object({ error: z.string(), code: z.string() });

/** The request part of a route that takes a JSON body. */
export function takes<Body extends z.ZodType>(schema: Body): { body: Json<Body> & { required: true } } {
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
  return Object.fromEntries(Object.entries(codes).map(([status, names]) => [status, answers(names, refusal)]));
}

/** Serves a route. Its guards and its handler stand in the order of their turn. */
export function serveRoute(app: Hono, route: RouteDefinition, ...handlers: (MiddlewareHandler | Handler)[]): void {
  const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
  app.on(route.method.toUpperCase(), [path], ...handlers);
}

/** What a request says where it fits its route's schema, else a sentence that names the first field that is wrong. */
export type Read<Value> = { ok: true; value: Value } | { ok: false; error: string };

/** The request's body by a route's schema. The error names the first field that is wrong, never its value. */
export async function readBody<Body extends z.ZodType>(
  c: Context,
  { request }: { request: { body: Json<Body> } },
): Promise<Read<z.output<Body>>> {
  let json: unknown;
  try {
    json = JSON.parse(await c.req.text());
  } catch {
    return { ok: false, error: 'The body is not JSON.' };
  }
  return checked(request.body.content['application/json'].schema, json, 'The body');
}

/** The request's query by a route's schema; of a name that comes twice the last counts. */
export function readQuery<Query extends z.ZodType>(
  c: Context,
  { request }: { request: { query: Query } },
): Read<z.output<Query>> {
  return checked(request.query, Object.fromEntries(new URL(c.req.url).searchParams), 'The query');
}

/** The error names the field, never its value. */
function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, whole: string): Read<z.output<Schema>> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const [issue] = parsed.error.issues;
  const field = (issue?.path ?? []).map(String).join('.');
  const wants = lowerFirst(issue?.message ?? 'is not valid');
  return { ok: false, error: field === '' ? `${whole}: ${wants}.` : `${field}: ${wants}.` };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
