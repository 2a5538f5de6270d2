import type { Hono } from 'hono';
import { z } from 'zod';
import { importRunnerPublicKey } from '../../grants/index.ts';
import {
  answers,
  refusals,
  type RouteDefinition,
  serveRoute,
  USER_TOKEN,
} from '../../http/route.ts';
import type { RouteDeps } from '../deps.ts';
import { refuse } from '../http-errors.ts';
import { ownerOf } from '../owner.ts';

const runnerKey = z.object({
  kid: z.string(),
  jwk: z.object({ kty: z.literal('OKP'), crv: z.literal('X25519'), x: z.string() }),
});

export const RUNNER_KEY = {
  method: 'get',
  path: '/api/v1/me/runner-key',
  summary: 'The key that devices seal grants to; mana-auth serves it too, and devices compare both',
  security: USER_TOKEN,
  responses: {
    200: answers('The current key', runnerKey),
    ...refusals({ 401: 'UNAUTHENTICATED', 503: 'GRANT_NOT_CONFIGURED, KEY_SET_UNAVAILABLE' }),
  },
} satisfies RouteDefinition;

/** GET /api/v1/me/runner-key: the runner's word on its own public key. */
export function runnerKeyRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(app, RUNNER_KEY, async (c) => {
    const owner = await ownerOf(c, deps);
    if (!owner.ok) return owner.refusal;
    const { publicPem } = deps.config.runnerKeys;
    if (publicPem === null)
      return refuse(
        c,
        'GRANT_NOT_CONFIGURED',
        'MANA_AI_PUBLIC_KEY_PEM is not set, so nothing can be sealed.',
      );
    const { kid, jwk } = await importRunnerPublicKey(publicPem);
    return c.json({ kid, jwk });
  });
}
