import type { Hono } from 'hono';
import type { RouteDeps, RunnerHealth } from '../deps.ts';

/** /health promises an answer within 2 s; this leaves time for the way. */
const LONGEST_PROBE_MS = 1_500;

/** What is not known is null. */
type HealthAnswer = Omit<RunnerHealth, 'tick'> & {
  tick: { enabled: boolean; lastTickAt: string | null; queued: number | null; running: number | null };
};

/** GET /health and GET /metrics: open to all, they show nothing of anyone. */
export function healthRoutes(app: Hono, deps: RouteDeps): void {
  app.get('/health', async (c) => {
    const health = await probe(deps);
    return c.json({ status: health.postgres.ok && health.llm.ok ? 'ok' : 'degraded', ...health });
  });
  app.get('/metrics', async (c) => {
    const { registry } = deps.metrics;
    return c.body(await registry.metrics(), 200, { 'content-type': registry.contentType });
  });
}

async function probe(deps: RouteDeps): Promise<HealthAnswer> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<HealthAnswer>((resolve) => {
    timer = setTimeout(() => resolve(unknown(deps, 'PROBE_TIMEOUT')), LONGEST_PROBE_MS);
  });
  try {
    return await Promise.race([deps.health(), late]);
  } catch {
    deps.logger.error('health could not be read', { code: 'PROBE_FAILED' });
    return unknown(deps, 'PROBE_FAILED');
  } finally {
    clearTimeout(timer);
  }
}

function unknown({ config }: RouteDeps, code: 'PROBE_TIMEOUT' | 'PROBE_FAILED'): HealthAnswer {
  const message = code === 'PROBE_TIMEOUT' ? 'the state could not be read in time' : 'the state could not be read';
  const component = { ok: false, error: { code, message } };
  return {
    postgres: component,
    llm: { ...component, locality: config.llm.locality },
    tick: { enabled: config.tick.enabled, lastTickAt: null, queued: null, running: null },
  };
}
