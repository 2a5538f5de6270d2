import type { Hono } from 'hono';
import { z } from 'zod';
import { docsPage } from './docs-page.ts';
import { openApiDocument, type OpenApiDocument } from './openapi.ts';
import { answers, type RouteDefinition, servedRoutes, serveRoute } from './route.ts';

const OPENAPI = {
  method: 'get',
  path: '/openapi.json',
  summary: 'This description, as an OpenAPI 3.1 document',
  responses: { 200: answers('The document.', z.object({ openapi: z.string() })) },
} satisfies RouteDefinition;

const DOCS = {
  method: 'get',
  path: '/docs',
  summary: 'This description, as a page',
  responses: {
    200: { description: 'The page.', content: { 'text/html': { schema: z.string() } } },
  },
} satisfies RouteDefinition;

/** Nothing may run on the page, and nothing is fetched for it. */
const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/**
 * GET /openapi.json and GET /docs: whatever `app` serves by then, described from the schemas of its
 * routes.
 */
export function describeRoutes(app: Hono, info: OpenApiDocument['info']): void {
  let document: OpenApiDocument | undefined;
  const described = (): OpenApiDocument => (document ??= openApiDocument(info, servedRoutes(app)));
  serveRoute(app, OPENAPI, (c) => c.json(described()));
  serveRoute(app, DOCS, (c) =>
    c.html(docsPage(described()), 200, { 'content-security-policy': PAGE_POLICY }),
  );
}
