import type { Hono } from 'hono';
import { z } from 'zod';
import { forUser } from './guards.ts';
import { refuse } from './http-errors.ts';
import { answers, refusals, type RouteDefinition, serveRoute, USER_TOKEN } from './route.ts';
import type { UserTokenVerifier } from './user-token.ts';

/** The public key of the runner; `kid` is its thumbprint (RFC 7638). */
export type RunnerKey = { kid: string; jwk: { kty: 'OKP'; crv: 'X25519'; x: string } };

export const NO_RUNNER_KEY = 'MANA_AI_PUBLIC_KEY_PEM is not set, so the runner has no key.';

const RUNNER_KEY = {
  method: 'get',
  path: '/api/v1/me/runner-key',
  summary: 'The key that devices seal grants to; both Workers serve it, and devices compare them',
  security: USER_TOKEN,
  responses: {
    200: answers(
      'The current key',
      z.object({
        kid: z.string(),
        jwk: z.object({ kty: z.literal('OKP'), crv: z.literal('X25519'), x: z.string() }),
      }),
    ),
    ...refusals({ 401: 'UNAUTHENTICATED', 503: 'GRANT_NOT_CONFIGURED, KEY_SET_UNAVAILABLE' }),
  },
} satisfies RouteDefinition;

/**
 * GET /api/v1/me/runner-key: a Worker's word on the runner's public key.
 * @param deps.runnerKey the current key; null where none is configured
 */
export function runnerKeyRoute(
  app: Hono,
  deps: { verifyUserToken: UserTokenVerifier; runnerKey: () => Promise<RunnerKey | null> },
): void {
  serveRoute(
    app,
    RUNNER_KEY,
    forUser(deps, async (c) => {
      const key = await deps.runnerKey();
      if (key === null) return refuse(c, 'GRANT_NOT_CONFIGURED', NO_RUNNER_KEY);
      return c.json({ kid: key.kid, jwk: key.jwk });
    }),
  );
}
