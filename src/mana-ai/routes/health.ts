import type { Hono } from 'hono';
import { z } from 'zod';
import { answers, type RouteDefinition, serveRoute } from '../../http/route.ts';
import { within } from '../../http/within.ts';
import type { RouteDeps, RunnerHealth } from '../deps.ts';
import { healthAnswer } from '../health-schema.ts';

/** /health promises an answer within 2 s; this leaves time for the way. */
const LONGEST_PROBE_MS = 1_500;

/** What is not known is null. */
export type HealthAnswer = Omit<RunnerHealth, 'tick'> & {
  workerd: string | null;
  tick: {
    enabled: boolean;
    lastTickAt: string | null;
    queued: number | null;
    running: number | null;
  };
};

const HEALTH = {
  method: 'get',
  path: '/health',
  summary: 'Whether the runner and what it depends on work, and since when not',
  responses: { 200: answers('As long as the process serves, within 2 s.', healthAnswer) },
} satisfies RouteDefinition;

const METRICS = {
  method: 'get',
  path: '/metrics',
  summary: 'Counters and histograms of this process, for Prometheus',
  responses: {
    200: { description: 'The metrics.', content: { 'text/plain': { schema: z.string() } } },
  },
} satisfies RouteDefinition;

/** GET /health and GET /metrics: open to all, they show nothing of anyone. */
export function healthRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(app, HEALTH, async (c) => {
    return c.json(withStatus(await probeHealth(deps)));
  });
  serveRoute(app, METRICS, async (c) => {
    const { registry } = deps.metrics;
    return c.body(await registry.metrics(), 200, { 'content-type': registry.contentType });
  });
}

/** The health with its one word. */
export function withStatus(health: HealthAnswer): HealthAnswer & { status: 'ok' | 'degraded' } {
  return { status: health.postgres.ok && health.llm.ok ? 'ok' : 'degraded', ...health };
}

/** The health as far as it can be read in time. */
export async function probeHealth(deps: RouteDeps): Promise<HealthAnswer> {
  const asked = await within(LONGEST_PROBE_MS, deps.health);
  if (asked.ok) return { workerd: deps.config.workerdVersion, ...asked.answer };
  if (asked.reason === 'late')
    return unknown(deps, 'PROBE_TIMEOUT', 'the state could not be read in time');
  deps.logger.error('health could not be read', { code: 'PROBE_FAILED' });
  return unknown(deps, 'PROBE_FAILED', 'the state could not be read');
}

function unknown({ config }: RouteDeps, code: string, message: string): HealthAnswer {
  const component = { ok: false, error: { code, message } };
  return {
    postgres: component,
    llm: { ...component, locality: config.llm.locality },
    tick: { enabled: config.tick.enabled, lastTickAt: null, queued: null, running: null },
    workerd: config.workerdVersion,
    notices: [],
  };
}
