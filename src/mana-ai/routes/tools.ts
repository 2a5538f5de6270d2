import type { Hono } from 'hono';
import { z } from 'zod';
import { toolFacts } from '../../carry-out/index.ts';
import { forUser, USER_REFUSALS } from '../../http/guards.ts';
import {
  answers,
  refusals,
  type RouteDefinition,
  serveRoute,
  USER_TOKEN,
} from '../../http/route.ts';
import { CATALOG } from '../../planner/tools/index.ts';
import { jsonSchemaOf, type Tool } from '../../planner/tools/tool.ts';
import type { RouteDeps } from '../deps.ts';

const tool = z
  .object({
    name: z.string(),
    module: z.string(),
    kind: z.enum(['propose', 'read']),
    description: z.string(),
    parameters: z.record(z.string(), z.unknown()).describe('a JSON Schema'),
    effect: z
      .enum(['create', 'change', 'delete', 'publish', 'spend'])
      .optional()
      .describe('what comes of a step; a tool that reads leaves none'),
    appOnly: z.boolean().optional().describe('true: only the app can carry it out'),
  })
  .meta({ id: 'Tool' });

const list = {
  method: 'get',
  path: '/api/v1/tools',
  summary: 'The tools that a plan may call, with what comes of each',
  security: USER_TOKEN,
  responses: {
    200: answers('The tools.', z.object({ tools: z.array(tool) })),
    ...refusals(USER_REFUSALS),
  },
} satisfies RouteDefinition;

/** The catalog of tools: for forms and words, where no schema library is loaded. */
export function toolRoutes(app: Hono, deps: RouteDeps): void {
  let tools: unknown[] | undefined;
  serveRoute(
    app,
    list,
    forUser(deps, async (c) => c.json({ tools: (tools ??= CATALOG.map(shown)) })),
  );
}

function shown(of: Tool): Record<string, unknown> {
  const { name, module, kind, description } = of;
  const facts = toolFacts(name);
  return {
    name,
    module,
    kind,
    description,
    parameters: jsonSchemaOf(of),
    ...(facts === null ? {} : { effect: facts.effect, appOnly: facts.appOnly }),
  };
}
