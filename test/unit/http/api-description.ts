import type { Hono } from 'hono';
import type { OpenApiDocument } from '../../../src/http/openapi.ts';

export type Described = { document: OpenApiDocument; page: string; pageHeaders: Headers };

/** What an app says of itself. */
export async function describedBy(app: Hono): Promise<Described> {
  const page = await app.request('/docs');
  const document = await (await app.request('/openapi.json')).json<OpenApiDocument>();
  return { document, page: await page.text(), pageHeaders: page.headers };
}

/** What an app really answers to, as `GET /things/{id}`; middleware, which stands for all methods, left out. */
export function servedBy(app: Hono): string[] {
  const served = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  return [...new Set(served)].toSorted();
}

/** The same as a document tells it. */
export function toldBy({ paths }: OpenApiDocument): string[] {
  return Object.entries(paths)
    .flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    .toSorted();
}

/** References that lead nowhere. */
export function danglingReferences(document: OpenApiDocument): string[] {
  const references = Array.from(
    JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g),
    ([, path = '']) => path,
  );
  return references.filter(
    (path) =>
      path.split('/').reduce<unknown>((part, name) => member(part, name), document) === undefined,
  );
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
