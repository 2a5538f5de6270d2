import type { AuthenticationResponseJSON } from '@simplewebauthn/server';
import type { Context, Handler, Hono } from 'hono';
import { z } from 'zod';
import { callerOf, RateLimit } from '../../http/rate-limit.ts';
import {
  answers,
  readBody,
  refusals,
  type RouteDefinition,
  SERVICE_KEY,
  serveRoute,
  takes,
  USER_TOKEN,
} from '../../http/route.ts';
import { isUserId } from '../../http/user-id.ts';
import type { RouteDeps } from '../deps.ts';
import { forUser, serviceKeyGuard } from '../../http/guards.ts';
import { refuse } from '../../http/http-errors.ts';
import { pathId } from '../../http/path-id.ts';
import { isSessionKey } from '../sign-in/session-proof.ts';
import type { SignIn, Started } from '../sign-in/sign-in.ts';

const MOST_BODY_BYTES = 16 * 1_024;
const LONGEST_NAME = 100;
/** A coordinate of P-256: 32 bytes. */
const COORDINATE = /^[\w-]{43}$/;

/**
 * Calls a minute and caller. A person needs a handful; a secret of 256 bits is not guessed at any
 * rate.
 */
const SIGN_INS_A_MINUTE = 120;
const CHALLENGES_A_MINUTE = 120;
/** Each tab renews its token every ten minutes, and several people may stand behind one address. */
const TOKENS_A_MINUTE = 300;
const LINKS_A_MINUTE = 10;

export const nameField = z
  .string()
  .trim()
  .min(1, 'wants 1 to 100 characters')
  .max(LONGEST_NAME, 'wants 1 to 100 characters')
  .refine((name) => !/\p{Cc}/u.test(name), 'wants no control characters');

/** As a browser's PublicKeyCredential.toJSON gives it; the library judges what is inside. */
export const credentialField = z.looseObject({
  id: z.string().regex(/^[\w-]{1,2048}$/, 'wants base64url'),
  rawId: z.string(),
  type: z.literal('public-key'),
  response: z.looseObject({ clientDataJSON: z.string() }),
});

const browser = {
  publicKey: z.strictObject(
    {
      kty: z.literal('EC'),
      crv: z.literal('P-256'),
      x: z.string().regex(COORDINATE, 'wants base64url of 32 bytes'),
      y: z.string().regex(COORDINATE, 'wants base64url of 32 bytes'),
    },
    'wants a public P-256 key as a JWK of kty, crv, x and y',
  ),
  name: nameField,
};
const link = z.object({ url: z.url(), expiresAt: z.iso.datetime() });
const startedSession = z.object({ sessionId: z.string(), userId: z.string() });
const tokenAnswer = z.object({ token: z.string(), expiresAt: z.iso.datetime() });
const listedSession = z.object({
  sessionId: z.string(),
  name: z.string(),
  createdAt: z.iso.datetime(),
  lastUsedAt: z.iso.datetime(),
});

const OPEN = {
  400: 'BAD_REQUEST',
  413: 'BODY_TOO_LARGE',
  429: 'RATE_LIMITED, with Retry-After',
  503: 'ISSUER_NOT_CONFIGURED',
};
const SIGNED_IN = { 401: 'UNAUTHENTICATED', 503: 'ISSUER_NOT_CONFIGURED' };

export const SIGN_IN_ROUTES = {
  linkFor: {
    method: 'post',
    path: '/internal/sign-in-links',
    summary: 'A link that signs a person in at the console, once, within 15 minutes',
    security: SERVICE_KEY,
    request: takes(
      z.object({
        userId: z.string().refine(isUserId, 'wants 1 to 256 characters without control characters'),
      }),
    ),
    responses: { 200: answers('The link', link), ...refusals({ ...OPEN, 401: 'UNAUTHENTICATED' }) },
  },
  ownLink: {
    method: 'post',
    path: '/api/v1/me/sign-in-links',
    summary: 'A link that signs another device of the caller in, once, within 15 minutes',
    security: USER_TOKEN,
    responses: { 200: answers('The link', link), ...refusals({ ...SIGNED_IN, 429: OPEN[429] }) },
  },
  startByLink: {
    method: 'post',
    path: '/api/v1/sessions',
    summary: 'Uses a link up and starts a session of the browser that holds the key',
    request: takes(z.object({ link: z.string().max(512), ...browser })),
    responses: {
      201: answers('The session', startedSession),
      ...refusals({ ...OPEN, 401: 'LINK_INVALID' }),
    },
  },
  token: {
    method: 'post',
    path: '/api/v1/sessions/token',
    summary:
      'A user token of ten minutes for a proof: a compact JWS, ES256, typ mana-session+jwt, { sid, at, aud }',
    request: takes(z.object({ proof: z.string().max(4_096) })),
    responses: {
      200: answers('The token', tokenAnswer),
      ...refusals({
        ...OPEN,
        401: 'SESSION_ENDED; `now` is the time here, for a clock that is wrong',
      }),
    },
  },
  startByPasskey: {
    method: 'post',
    path: '/api/v1/sessions/passkey',
    summary: 'Starts a session by a passkey',
    request: takes(z.object({ credential: credentialField, ...browser })),
    responses: {
      201: answers('The session', startedSession),
      ...refusals({ ...OPEN, 401: 'PASSKEY_INVALID' }),
    },
  },
  challenge: {
    method: 'post',
    path: '/api/v1/passkeys/challenge',
    summary: 'What a passkey has to sign within five minutes, once',
    responses: {
      200: answers(
        'The challenge, and the host name that passkeys belong to',
        z.object({ challenge: z.string(), rpId: z.string() }),
      ),
      ...refusals({ 409: 'PASSKEYS_UNAVAILABLE', 429: OPEN[429], 503: OPEN[503] }),
    },
  },
  sessions: {
    method: 'get',
    path: '/api/v1/me/sessions',
    summary: 'The sessions, the one used last first',
    security: USER_TOKEN,
    responses: {
      200: answers('The sessions', z.object({ sessions: z.array(listedSession) })),
      ...refusals(SIGNED_IN),
    },
  },
  endSession: {
    method: 'delete',
    path: '/api/v1/me/sessions/{id}',
    summary: 'Ends a session; its last token is valid for ten minutes at most',
    security: USER_TOKEN,
    responses: {
      204: { description: 'It is over' },
      ...refusals({ ...SIGNED_IN, 404: 'NOT_FOUND' }),
    },
  },
  endSessions: {
    method: 'delete',
    path: '/api/v1/me/sessions',
    summary: 'Ends all sessions but the one that `except` names, and closes open links',
    security: USER_TOKEN,
    request: { query: z.object({ except: z.string().optional() }) },
    responses: { 204: { description: 'They are over' }, ...refusals(SIGNED_IN) },
  },
} as const satisfies Record<string, RouteDefinition>;

const NO_ISSUER =
  'MANA_AUTH_ISSUER_KEY_PEM is not set, so nobody can be signed in here: run `npm run keys -- --issuer`.';

/** Refuses where no key signs tokens; else runs the handler with what signs people in. */
export function withSignIn(
  deps: RouteDeps,
  handle: (c: Context, signIn: SignIn) => Promise<Response>,
): Handler {
  return async (c) => {
    const signIn = await deps.signIn();
    return signIn === null ? refuse(c, 'ISSUER_NOT_CONFIGURED', NO_ISSUER) : handle(c, signIn);
  };
}

/** A route of a person, where this Worker signs people in. */
export function signInForUser(
  deps: RouteDeps,
  handle: (c: Context, signIn: SignIn, userId: string) => Promise<Response>,
): Handler {
  return forUser(deps, async (c, userId) => {
    const signIn = await deps.signIn();
    if (signIn !== null) return handle(c, signIn, userId);
    return refuse(c, 'ISSUER_NOT_CONFIGURED', NO_ISSUER);
  });
}

/** Counts a call of a route that anybody may call. */
export function limited(
  limit: RateLimit,
  nowMs: () => number,
): (c: Context, next: () => Promise<void>) => Promise<Response | void> {
  return async (c, next) => {
    const waitSeconds = limit.take(callerOf(c.req.raw.headers), nowMs());
    if (waitSeconds === 0) return next();
    c.header('retry-after', String(waitSeconds));
    return refuse(c, 'RATE_LIMITED', 'Too many requests; try again later.');
  };
}

/** Signing in at the console by a link or a passkey, and the sessions that follow. */
export function signInRoutes(app: Hono, deps: RouteDeps): void {
  linkRoutes(app, deps);
  openRoutes(app, deps);
  sessionRoutes(app, deps);
}

function linkRoutes(app: Hono, deps: RouteDeps): void {
  const limit = new RateLimit(LINKS_A_MINUTE);
  const send = async (c: Context, signIn: SignIn, userId: string): Promise<Response> => {
    const waitSeconds = limit.take(userId, deps.nowMs());
    const made = waitSeconds > 0 ? null : await signIn.link(userId);
    if (made !== null) return c.json(made);
    c.header('retry-after', String(Math.max(60, waitSeconds)));
    return refuse(c, 'RATE_LIMITED', 'Too many links are open; use one, or try again later.');
  };
  serveRoute(
    app,
    SIGN_IN_ROUTES.linkFor,
    serviceKeyGuard(deps.config.serviceKey),
    withSignIn(deps, async (c, signIn) => {
      const read = await readBody(c, SIGN_IN_ROUTES.linkFor, MOST_BODY_BYTES);
      return read.ok ? send(c, signIn, read.value.userId) : refuse(c, read.code, read.error);
    }),
  );
  serveRoute(app, SIGN_IN_ROUTES.ownLink, signInForUser(deps, send));
}

/** Routes without a session: each is limited. */
function openRoutes(app: Hono, deps: RouteDeps): void {
  const signIns = limited(new RateLimit(SIGN_INS_A_MINUTE), deps.nowMs);
  const tokens = limited(new RateLimit(TOKENS_A_MINUTE), deps.nowMs);
  const challenges = limited(new RateLimit(CHALLENGES_A_MINUTE), deps.nowMs);
  serveRoute(
    app,
    SIGN_IN_ROUTES.startByLink,
    signIns,
    withSignIn(deps, async (c, signIn) => {
      const read = await readBody(c, SIGN_IN_ROUTES.startByLink, MOST_BODY_BYTES);
      if (!read.ok) return refuse(c, read.code, read.error);
      const { link: given, ...asking } = read.value;
      if (!(await isSessionKey(asking.publicKey))) return refuseKey(c);
      const session = await signIn.startByLink(given, asking);
      const sentence = 'This link was used, has ended, or is not one of ours; ask for a new one.';
      return session === null ? refuse(c, 'LINK_INVALID', sentence) : sendStarted(c, session);
    }),
  );
  serveRoute(
    app,
    SIGN_IN_ROUTES.startByPasskey,
    signIns,
    withSignIn(deps, async (c, signIn) => {
      const read = await readBody(c, SIGN_IN_ROUTES.startByPasskey, MOST_BODY_BYTES);
      if (!read.ok) return refuse(c, read.code, read.error);
      const { credential, ...asking } = read.value;
      if (!(await isSessionKey(asking.publicKey))) return refuseKey(c);
      const assertion = credential as unknown as AuthenticationResponseJSON;
      const session = await signIn.startByPasskey(assertion, asking);
      const sentence = 'This passkey is not known here, or its answer came too late.';
      return session === null ? refuse(c, 'PASSKEY_INVALID', sentence) : sendStarted(c, session);
    }),
  );
  serveRoute(
    app,
    SIGN_IN_ROUTES.token,
    tokens,
    withSignIn(deps, async (c, signIn) => {
      const read = await readBody(c, SIGN_IN_ROUTES.token, MOST_BODY_BYTES);
      if (!read.ok) return refuse(c, read.code, read.error);
      const made = await signIn.token(read.value.proof);
      if (made !== null) return c.json(made);
      return c.json(
        {
          error: 'This session has ended; sign in again.',
          code: 'SESSION_ENDED',
          now: deps.nowMs(),
        },
        401,
      );
    }),
  );
  serveRoute(
    app,
    SIGN_IN_ROUTES.challenge,
    challenges,
    withSignIn(deps, async (c, signIn) => {
      const { relyingParty } = signIn;
      if (relyingParty !== null)
        return c.json({ challenge: await signIn.challenge(), rpId: relyingParty.rpId });
      return refuse(
        c,
        'PASSKEYS_UNAVAILABLE',
        'Passkeys need a host name: set MANA_CONSOLE_ORIGIN to one.',
      );
    }),
  );
}

function sessionRoutes(app: Hono, deps: RouteDeps): void {
  serveRoute(
    app,
    SIGN_IN_ROUTES.sessions,
    signInForUser(deps, async (c, signIn, userId) =>
      c.json({ sessions: await signIn.sessions(userId) }),
    ),
  );
  serveRoute(
    app,
    SIGN_IN_ROUTES.endSession,
    signInForUser(deps, async (c, signIn, userId) => {
      const ended = await signIn.end(userId, idOf(c));
      return ended ? c.body(null, 204) : refuse(c, 'NOT_FOUND', 'You have no session of this id.');
    }),
  );
  serveRoute(
    app,
    SIGN_IN_ROUTES.endSessions,
    signInForUser(deps, async (c, signIn, userId) => {
      await signIn.endAllBut(userId, c.req.query('except')?.replaceAll('\0', '') ?? null);
      return c.body(null, 204);
    }),
  );
}

/** The id that the path names, or '' if it can be none; no session and no passkey has the id ''. */
export function idOf(c: Context): string {
  return pathId(c, 'id') ?? '';
}

function refuseKey(c: Context): Response {
  return refuse(c, 'BAD_REQUEST', 'publicKey: is no point on P-256.');
}

function sendStarted(c: Context, session: Started): Response {
  return c.json(session, 201);
}
