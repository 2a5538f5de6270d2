import type { Hono } from 'hono';
import { createBaseApp, type Failure, INTERNAL_FAILURE, refuseConfig } from '../http/base-app.ts';
import { describeRoutes } from '../http/describe.ts';
import {
  acceptedByAny,
  createUserTokenVerifier,
  OWN_ISSUER,
  type UserTokenVerifier,
} from '../http/user-token.ts';
import { PostgresError } from '../postgres/errors.ts';
import type { ManaAuthConfig } from '../config/mana-auth.ts';
import type { Keys, ManaAuthDeps } from './deps.ts';
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

/**
 * The HTTP surface of the grants Worker. With a malformed configuration every route answers 503 and
 * names the variable.
 */
export function createApp({ config: parsed, ...deps }: ManaAuthDeps): Hono {
  const app = createBaseApp({ logger: deps.logger, failureOf });
  if (!parsed.ok) return refuseConfig(app, parsed);
  const { config } = parsed;
  // The keys are kept, not the promise of them: a request that is cut off must not leave the others
  // waiting.
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

/** A database that is away is no fault of the request, which may be repeated. */
function failureOf(thrown: unknown): Failure {
  if (!(thrown instanceof PostgresError)) return INTERNAL_FAILURE;
  if (thrown.code === 'POSTGRES_REFUSED') return { ...INTERNAL_FAILURE, logged: thrown.code };
  return {
    logged: thrown.code,
    code: 'POSTGRES_UNAVAILABLE',
    sentence: 'PostgreSQL does not answer; nothing was done.',
  };
}

/**
 * Our own issuer's tokens are judged by the keys that are here: this Worker need not fetch from
 * itself. Another issuer's, where MANA_JWKS_URL names one, are accepted beside them.
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
