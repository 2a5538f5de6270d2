import type { Hono } from 'hono';
import { z } from 'zod';
import { USER_REFUSALS } from '../../http/guards.ts';
import { refuse } from '../../http/http-errors.ts';
import {
  answers,
  readBody,
  refusals,
  type RouteDefinition,
  serveRoute,
  takes,
  USER_TOKEN,
} from '../../http/route.ts';
import { isUserId } from '../../http/user-id.ts';
import { requestRowId } from '../../sync/device-rows.ts';
import type { RouteDeps } from '../deps.ts';
import { forPerson } from '../person.ts';

const MOST_BODY_BYTES = 4 * 1_024;
const MOST_TOKENS = 1_000_000_000;

const agent = z
  .object({
    id: z.string(),
    name: z.string(),
    role: z.string(),
    state: z.string(),
    maxConcurrentMissions: z.number(),
    maxTokensPerDay: z.number().nullable().describe('null: no limit'),
    usedTokens24h: z.number(),
  })
  .meta({ id: 'Agent' });

const list = {
  method: 'get',
  path: '/api/v1/me/agents',
  summary: 'The agents of the caller, with the tokens that they used in 24 hours',
  security: USER_TOKEN,
  responses: {
    200: answers('The agents.', z.object({ agents: z.array(agent) })),
    ...refusals(USER_REFUSALS),
  },
} satisfies RouteDefinition;

const change = {
  method: 'patch',
  path: '/api/v1/me/agents/{agentId}',
  summary: 'Pause or resume an agent, or change its limit of tokens',
  security: USER_TOKEN,
  request: takes(
    z.strictObject({
      state: z.enum(['active', 'paused']).optional(),
      maxTokensPerDay: z.int().min(0).max(MOST_TOKENS).nullable().optional(),
    }),
  ),
  responses: {
    200: answers('The agent as it is now.', z.object({ agent })),
    ...refusals({
      400: 'BAD_REQUEST',
      ...USER_REFUSALS,
      404: 'AGENT_NOT_FOUND',
      413: 'BODY_TOO_LARGE',
      503: 'POSTGRES_UNAVAILABLE',
    }),
  },
} satisfies RouteDefinition;

/** A person's own agents. */
export function agentRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(
    app,
    list,
    forPerson(deps, async (c, userId) =>
      c.json({ agents: await deps.userMissions(userId).listAgents(userId) }),
    ),
  );
  serveRoute(
    app,
    change,
    forPerson(deps, async (c, userId) => {
      const body = await readBody(c, change, MOST_BODY_BYTES);
      if (!body.ok) return refuse(c, body.code, body.error);
      const agentId = c.req.param('agentId') ?? '';
      if (!isUserId(agentId)) return refuse(c, 'AGENT_NOT_FOUND', NO_AGENT);
      const key = c.req.header('idempotency-key') ?? crypto.randomUUID();
      const rowId = requestRowId({ userId, route: `agent ${agentId}`, body: body.value, key });
      const request = { agentId, rowId, change: body.value };
      const outcome = await deps.userMissions(userId).changeAgent(userId, request);
      if (!outcome.ok)
        return refuse(c, 'POSTGRES_UNAVAILABLE', 'The change cannot be written now; try again.');
      return outcome.agent === null
        ? refuse(c, 'AGENT_NOT_FOUND', NO_AGENT)
        : c.json({ agent: outcome.agent });
    }),
  );
}

const NO_AGENT = 'You have no such agent.';
