import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import type { Context, Hono } from 'hono';
import { z } from 'zod';
import {
  answers,
  readBody,
  refusals,
  type RouteDefinition,
  serveRoute,
  takes,
  USER_TOKEN,
} from '../../http/route.ts';
import type { RouteDeps } from '../deps.ts';
import { refuse } from '../../http/http-errors.ts';
import { credentialField, idOf, nameField, signInForUser } from './sign-in.ts';

const BASE = '/api/v1/me/passkeys';
const MOST_BODY_BYTES = 64 * 1_024;

const passkey = z.object({
  credentialId: z.string(),
  name: z.string(),
  createdAt: z.iso.datetime(),
  lastUsedAt: z.iso.datetime().optional(),
  unlocks: z.boolean().describe('whether it can unwrap the master key of now'),
});
const wrap = z.object({
  iv: z.base64('wants base64').min(1, 'wants base64').max(64, 'wants at most 64 characters'),
  wrapped: z.base64('wants base64').min(1, 'wants base64').max(256, 'wants at most 256 characters'),
});

const COMMON = { 401: 'UNAUTHENTICATED', 503: 'ISSUER_NOT_CONFIGURED' };
const WITH_BODY = { ...COMMON, 413: 'BODY_TOO_LARGE' };

export const PASSKEY_ROUTES = {
  list: {
    method: 'get',
    path: BASE,
    summary: 'The passkeys, the oldest first',
    security: USER_TOKEN,
    responses: {
      200: answers('The passkeys', z.object({ passkeys: z.array(passkey) })),
      ...refusals(COMMON),
    },
  },
  add: {
    method: 'post',
    path: BASE,
    summary: 'Keeps a passkey that a browser made; its user was verified',
    security: USER_TOKEN,
    request: takes(z.object({ credential: credentialField, name: nameField })),
    responses: {
      201: answers('It is kept', passkey.pick({ credentialId: true, name: true, createdAt: true })),
      ...refusals({ ...WITH_BODY, 400: 'BAD_REQUEST, PASSKEY_REFUSED', 409: 'PASSKEY_NOT_KEPT' }),
    },
  },
  remove: {
    method: 'delete',
    path: `${BASE}/{id}`,
    summary: 'Removes a passkey, and what it wrapped',
    security: USER_TOKEN,
    responses: { 204: { description: 'It is gone' }, ...refusals({ ...COMMON, 404: 'NOT_FOUND' }) },
  },
  setWrap: {
    method: 'put',
    path: `${BASE}/{id}/wrap`,
    summary: 'Keeps the master key as the passkey wrapped it, beside a recovery code',
    security: USER_TOKEN,
    request: takes(wrap),
    responses: {
      204: { description: 'It is kept' },
      ...refusals({ ...WITH_BODY, 400: 'BAD_REQUEST, RECOVERY_WRAP_MISSING', 404: 'NOT_FOUND' }),
    },
  },
} as const satisfies Record<string, RouteDefinition>;

/** A person's own passkeys. */
export function passkeyRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(
    app,
    PASSKEY_ROUTES.list,
    signInForUser(deps, async (c, signIn, userId) =>
      c.json({ passkeys: await signIn.passkeys(userId) }),
    ),
  );
  serveRoute(
    app,
    PASSKEY_ROUTES.add,
    signInForUser(deps, async (c, signIn, userId) => {
      const read = await readBody(c, PASSKEY_ROUTES.add, MOST_BODY_BYTES);
      if (!read.ok) return refuse(c, read.code, read.error);
      const { name, credential } = read.value;
      const made = credential as unknown as RegistrationResponseJSON;
      const added = await signIn.addPasskey(userId, made, name);
      if (added === 'refused')
        return refuse(
          c,
          'PASSKEY_REFUSED',
          'This passkey was made for another address or too late.',
        );
      if (added === 'known-or-too-many')
        return refuse(c, 'PASSKEY_NOT_KEPT', 'This passkey is known already, or there are 20.');
      return c.json({ ...added, name }, 201);
    }),
  );
  serveRoute(
    app,
    PASSKEY_ROUTES.remove,
    signInForUser(deps, async (c, signIn, userId) => {
      const removed = await signIn.removePasskey(userId, idOf(c));
      return removed ? c.body(null, 204) : refuseUnknown(c);
    }),
  );
  serveRoute(
    app,
    PASSKEY_ROUTES.setWrap,
    signInForUser(deps, async (c, signIn, userId) => {
      const read = await readBody(c, PASSKEY_ROUTES.setWrap, MOST_BODY_BYTES);
      if (!read.ok) return refuse(c, read.code, read.error);
      const kept = await signIn.setWrap(userId, idOf(c), read.value);
      if (kept === 'kept') return c.body(null, 204);
      if (kept === 'no-passkey') return refuseUnknown(c);
      const sentence =
        'Set a recovery code first: a passkey that is lost must not be the only key.';
      return refuse(c, 'RECOVERY_WRAP_MISSING', sentence);
    }),
  );
}

function refuseUnknown(c: Context): Response {
  return refuse(c, 'NOT_FOUND', 'You have no passkey of this id.');
}
