import type { GrantSigningKey, RecipientKey } from '../grants/index.ts';
import type { UserTokenVerifier } from '../http/user-token.ts';
import type { PostgresHealth } from '../postgres/pooled-database.ts';
import type { Database } from '../postgres/port.ts';
import type { Logger } from '../telemetry/logs.ts';
import type { ManaAuthConfig, ParsedManaAuthConfig } from '../config/mana-auth.ts';
import type { SignIn } from './sign-in/sign-in.ts';
import type { Vault } from './vault.ts';

export type ManaAuthDeps = {
  config: ParsedManaAuthConfig;
  database: Database;
  /** asks the pool; it may fail or never answer */
  postgresHealth: () => Promise<PostgresHealth>;
  logger: Logger;
  /** the time, in milliseconds since 1970 */
  nowMs: () => number;
  /** longest wait for postgresHealth (1,800): /health promises an answer within 2 s */
  healthTimeoutMs?: number;
};

/** Keys that are not configured are null, or an empty list. */
export type Keys = {
  /** null without a KEK */
  vault: Vault | null;
  /** the first seals */
  recipients: readonly RecipientKey[];
  /** the first signs */
  signingKeys: readonly GrantSigningKey[];
};

/** What the routes need, once the configuration is known to be well-formed. */
export type RouteDeps = Omit<ManaAuthDeps, 'config'> & {
  config: ManaAuthConfig;
  /** imported once, on first use: importing takes a moment that the start does not have */
  keys: () => Promise<Keys>;
  verifyUserToken: UserTokenVerifier;
  /** null where no key signs user tokens here */
  signIn: () => Promise<SignIn | null>;
};
