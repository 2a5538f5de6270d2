import type { Hono } from 'hono';
import { exportSPKI } from 'jose';
import { z } from 'zod';
import type { RecipientKey } from '../../grants/index.ts';
import { serviceKeyGuard } from '../../http/guards.ts';
import { refuse } from '../../http/http-errors.ts';
import {
  answers,
  refusals,
  type RouteDefinition,
  SERVICE_KEY,
  serveRoute,
} from '../../http/route.ts';
import { NO_RUNNER_KEY, runnerKeyRoute } from '../../http/runner-key.ts';
import type { RouteDeps } from '../deps.ts';

const FOR_SERVICES = {
  method: 'get',
  path: '/internal/ai-runner-pubkey',
  summary: 'The key that grants are sealed to, for services',
  security: SERVICE_KEY,
  responses: {
    200: answers('The current key', z.object({ publicKeyPem: z.string(), kid: z.string() })),
    ...refusals({
      401: 'UNAUTHENTICATED',
      503: 'GRANT_NOT_CONFIGURED, SERVICE_KEY_NOT_CONFIGURED',
    }),
  },
} satisfies RouteDefinition;

/** The runner's public key, for devices and for services. */
export function runnerKeyRoutes(app: Hono, deps: RouteDeps): void {
  const runnerKey = async (): Promise<RecipientKey | null> =>
    (await deps.keys()).recipients[0] ?? null;
  runnerKeyRoute(app, { ...deps, runnerKey });
  serveRoute(app, FOR_SERVICES, serviceKeyGuard(deps.config.serviceKey), async (c) => {
    const recipient = await runnerKey();
    if (recipient === null) return refuse(c, 'GRANT_NOT_CONFIGURED', NO_RUNNER_KEY);
    return c.json({ publicKeyPem: await spkiPem(recipient), kid: recipient.kid });
  });
}

async function spkiPem({ key }: RecipientKey): Promise<string> {
  return `${await exportSPKI(key)}\n`;
}
