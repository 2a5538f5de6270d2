import { z } from 'zod';
import type { RouteDefinition, SecurityScheme } from './route.ts';

type Json = Record<string, unknown>;

/** One route in the document. */
export type Operation = Json & {
  summary: string;
  tags: [string];
  parameters?: (Json & {
    name: string;
    in: string;
    required: boolean;
    schema: Json;
    description?: string;
  })[];
  requestBody?: { required: true; content: Record<string, { schema: Json }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Json }> }>;
  security?: readonly Json[];
};

/** OpenAPI 3.1: its schemas are JSON Schema 2020-12, which is what zod writes. */
export type OpenApiDocument = {
  openapi: '3.1.1';
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json>; securitySchemes: Record<SecurityScheme, Json> };
};

const SECURITY_SCHEMES: Record<SecurityScheme, Json> = {
  userToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'EdDSA; `sub` is the user id',
  },
  serviceKey: { type: 'apiKey', in: 'header', name: 'X-Service-Key', description: 'for operators' },
  drainToken: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Drain-Token',
    description: 'known to the command that started the process',
  },
};

/** Describes routes as they are served: from the very schemas that requests are checked with. */
export function openApiDocument(
  info: OpenApiDocument['info'],
  routes: readonly RouteDefinition[],
): OpenApiDocument {
  const components = new Components();
  const paths: OpenApiDocument['paths'] = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(route, components) };
  }
  const { schemas } = components;
  return {
    openapi: '3.1.1',
    info,
    paths,
    components: { schemas, securitySchemes: SECURITY_SCHEMES },
  };
}

/** Schemas that have an id stand once, under it. */
class Components {
  readonly schemas: Record<string, Json> = {};

  /** The JSON Schema of what is sent (`input`) or answered (`output`). */
  of(schema: z.ZodType, io: 'input' | 'output'): Json {
    const {
      $schema: _schema,
      $defs = {},
      ...own
    } = z.toJSONSchema(schema, {
      io,
      unrepresentable: 'any',
      override: ({ jsonSchema }) => {
        // An answer may gain fields; clients must not refuse them.
        if (io === 'output' && jsonSchema.additionalProperties === false)
          delete jsonSchema.additionalProperties;
      },
    }) as Json & { $defs?: Record<string, Json> };
    for (const [id, definition] of Object.entries($defs))
      this.schemas[id] = withoutId(hoisted(definition));
    return hoisted(own);
  }
}

function withoutId({ id: _id, ...schema }: Json): Json {
  return schema;
}

/** References point into the document's components. */
function hoisted(value: Json): Json {
  const text = JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/');
  return JSON.parse(text) as Json;
}

function operation(route: RouteDefinition, components: Components): Operation {
  const { summary, security, request, responses } = route;
  const parameters = [...pathParameters(route.path), ...fieldParameters(route, components)];
  return {
    summary,
    tags: [tagOf(route.path)],
    ...(security === undefined ? {} : { security }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(request?.body === undefined
      ? {}
      : {
          requestBody: {
            required: true as const,
            content: contentOf(request.body.content, 'input', components),
          },
        }),
    responses: Object.fromEntries(
      Object.entries(responses).map(([status, { description, content }]) => [
        status,
        {
          description,
          ...(content === undefined ? {} : { content: contentOf(content, 'output', components) }),
        },
      ]),
    ),
  };
}

function contentOf(
  content: Readonly<Record<string, { schema: z.ZodType }>>,
  io: 'input' | 'output',
  components: Components,
): Record<string, { schema: Json }> {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema }]) => [
      type,
      { schema: components.of(schema, io) },
    ]),
  );
}

function pathParameters(path: string): NonNullable<Operation['parameters']> {
  return Array.from(path.matchAll(/\{(\w+)\}/g), ([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', minLength: 1, maxLength: 256 },
  }));
}

function fieldParameters(
  { request }: RouteDefinition,
  components: Components,
): NonNullable<Operation['parameters']> {
  return (['query', 'headers'] as const).flatMap((place) => {
    const schema = request?.[place];
    if (schema === undefined) return [];
    const { properties = {}, required = [] } = components.of(schema, 'input') as {
      properties?: Record<string, Json & { description?: string }>;
      required?: string[];
    };
    return Object.entries(properties).map(([name, { description, ...type }]) => ({
      name,
      in: place === 'query' ? 'query' : 'header',
      required: required.includes(name),
      schema: type,
      ...(description === undefined ? {} : { description }),
    }));
  });
}

/** Routes are grouped by who calls them: people, operators, anybody. */
function tagOf(path: string): string {
  if (path.startsWith('/api/v1/me/')) return 'people';
  return path.startsWith('/internal/') ? 'operators' : 'anybody';
}
