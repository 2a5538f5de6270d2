import { Hono } from 'hono';
import { drainedBodies } from '../http/body.ts';
import { describeRoutes } from '../http/describe.ts';
import { requestIdOf, requestIds } from '../http/request-id.ts';
import {
  acceptedByAny,
  createUserTokenVerifier,
  OWN_ISSUER,
  type UserTokenVerifier,
} from '../http/user-token.ts';
import { PostgresError } from '../postgres/errors.ts';
import type { ManaAuthConfig } from '../config/mana-auth.ts';
import type { Keys, ManaAuthDeps } from './deps.ts';
import { refuse } from './http-errors.ts';
import { issuerKeySet } from './key-set.ts';
import { importKeys } from './keys.ts';
import { grantRoutes } from './routes/grants.ts';
import { passkeyRoutes } from './routes/passkeys.ts';
import { publicRoutes } from './routes/public.ts';
import { runnerKeyRoutes } from './routes/runner-key.ts';
import { signInRoutes } from './routes/sign-in.ts';
import { vaultRoutes } from './routes/vault.ts';
import { createSignIn } from './sign-in/create.ts';
import type { SignIn } from './sign-in/sign-in.ts';

const ABOUT = {
  title: 'mana-auth',
  version: '0.1.0',
  description:
    'The vault and the grants of mana-edge, and the keys that others check with. Errors are { error, code }.',
};

/** The HTTP surface of the grants Worker. With a malformed configuration every route answers 503 and names the variable. */
export function createApp({ config: parsed, ...deps }: ManaAuthDeps): Hono {
  const app = new Hono();
  app.use(requestIds);
  app.use(async (c, next) => {
    await next();
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store');
  });
  app.use(drainedBodies);
  app.notFound((c) => refuse(c, 'NOT_FOUND', 'There is no such route.'));
  app.onError((thrown, c) => {
    // What was thrown may hold anything; its sentence stays out of the answer and of the log.
    const code = thrown instanceof PostgresError ? thrown.code : 'INTERNAL';
    deps.logger.error('a request failed', {
      code,
      method: c.req.method,
      requestId: requestIdOf(c),
    });
    if (thrown instanceof PostgresError && thrown.code !== 'POSTGRES_REFUSED') {
      return refuse(c, 'POSTGRES_UNAVAILABLE', 'PostgreSQL does not answer; nothing was done.');
    }
    return refuse(c, 'INTERNAL', 'Something went wrong on the server.');
  });
  if (!parsed.ok) {
    const sentence = `${parsed.variable} ${parsed.message}`;
    app.all('*', (c) => refuse(c, 'CONFIG_INVALID', sentence));
    return app;
  }
  const { config } = parsed;
  // The keys are kept, not the promise of them: a request that is cut off must not leave the others waiting.
  let keys: Keys | undefined;
  let signIn: SignIn | null | undefined;
  const routeDeps = {
    ...deps,
    config,
    keys: async () => (keys ??= await importKeys(config, deps.database)),
    verifyUserToken: userTokenVerifier(config),
    signIn: async () =>
      signIn === undefined ? (signIn = await createSignIn(config, deps)) : signIn,
  };
  publicRoutes(app, routeDeps);
  vaultRoutes(app, routeDeps);
  grantRoutes(app, routeDeps);
  runnerKeyRoutes(app, routeDeps);
  signInRoutes(app, routeDeps);
  passkeyRoutes(app, routeDeps);
  describeRoutes(app, ABOUT);
  return app;
}

/**
 * Our own issuer's tokens are judged by the keys that are here: this Worker need not fetch from itself. Another issuer's, where
 * MANA_JWKS_URL names one, are accepted beside them.
 */
function userTokenVerifier({ userTokens, issuerKeys }: ManaAuthConfig): UserTokenVerifier {
  const { jwksUrl, issuer, audience } = userTokens;
  const ownIssuer = jwksUrl === null ? issuer : OWN_ISSUER;
  let verifier: UserTokenVerifier | undefined;
  const own: UserTokenVerifier = async (token) => {
    const keySet = await issuerKeySet(issuerKeys);
    verifier ??= createUserTokenVerifier({ keySet, issuer: ownIssuer, audience });
    return verifier(token);
  };
  if (jwksUrl === null) return own;
  return acceptedByAny([
    { issuer, verify: createUserTokenVerifier({ jwksUrl, issuer, audience }) },
    { issuer: OWN_ISSUER, verify: own },
  ]);
}
