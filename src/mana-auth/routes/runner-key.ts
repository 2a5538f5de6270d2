import type { Hono } from 'hono';
import { exportSPKI } from 'jose';
import { z } from 'zod';
import type { RecipientKey } from '../../grants/index.ts';
import {
  answers,
  refusals,
  type RouteDefinition,
  SERVICE_KEY,
  serveRoute,
  USER_TOKEN,
} from '../../http/route.ts';
import type { RouteDeps } from '../deps.ts';
import { serviceKeyGuard, userTokenGuard } from '../guards.ts';
import { refuse } from '../http-errors.ts';

const REFUSALS = refusals({ 401: 'UNAUTHENTICATED', 503: 'GRANT_NOT_CONFIGURED' });
const NOT_CONFIGURED = 'MANA_AI_PUBLIC_KEY_PEM is not set, so the runner has no key.';

const runnerKey = z.object({
  kid: z.string(),
  jwk: z.object({ kty: z.literal('OKP'), crv: z.literal('X25519'), x: z.string() }),
});

export const RUNNER_KEY_ROUTES = {
  forDevices: {
    method: 'get',
    path: '/api/v1/me/runner-key',
    summary:
      'The key that devices seal grants to; the runner serves it too, and devices compare both',
    security: USER_TOKEN,
    responses: { 200: answers('The current key', runnerKey), ...REFUSALS },
  },
  forServices: {
    method: 'get',
    path: '/internal/ai-runner-pubkey',
    summary: 'The same for services',
    security: SERVICE_KEY,
    responses: {
      200: answers('The current key', z.object({ publicKeyPem: z.string(), kid: z.string() })),
      ...REFUSALS,
    },
  },
} as const satisfies Record<string, RouteDefinition>;

/** The runner's public key. */
export function runnerKeyRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(app, RUNNER_KEY_ROUTES.forDevices, userTokenGuard(deps.verifyUserToken), async (c) => {
    const [recipient] = (await deps.keys()).recipients;
    if (recipient === undefined) return refuse(c, 'GRANT_NOT_CONFIGURED', NOT_CONFIGURED);
    return c.json({ kid: recipient.kid, jwk: recipient.jwk });
  });
  serveRoute(
    app,
    RUNNER_KEY_ROUTES.forServices,
    serviceKeyGuard(deps.config.serviceKey),
    async (c) => {
      const [recipient] = (await deps.keys()).recipients;
      if (recipient === undefined) return refuse(c, 'GRANT_NOT_CONFIGURED', NOT_CONFIGURED);
      return c.json({ publicKeyPem: await spkiPem(recipient), kid: recipient.kid });
    },
  );
}

async function spkiPem({ key }: RecipientKey): Promise<string> {
  return `${await exportSPKI(key)}\n`;
}
