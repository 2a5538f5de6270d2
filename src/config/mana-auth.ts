import { type ConsoleConfig, consoleOf } from './console.ts';
import { type ConfigRefusal, type Environment, parseVariables } from './parse.ts';
import { rawPublicKey } from './schemas.ts';

/** Where several keys are possible the first is current. Null is unset. */
export type ManaAuthConfig = {
  databaseUrl: string | null;
  serviceKey: string | null;
  /**
   * PKCS#8 DER of Ed25519 keys that sign user tokens where no other service does; empty where
   * another one does
   */
  issuerKeys: readonly Uint8Array<ArrayBuffer>[];
  /** jwksUrl null: user tokens are those of the issuer keys */
  userTokens: { jwksUrl: string | null; issuer: string; audience: string };
  /** PEM text with one or more Ed25519 keys */
  grantSigningPem: string | null;
  /** the runner's X25519 public keys, 32 bytes each */
  runnerKeys: readonly Uint8Array<ArrayBuffer>[];
  /** key-encryption keys, 32 bytes each */
  keks: readonly Uint8Array<ArrayBuffer>[];
  console: ConsoleConfig;
};

export type ParsedManaAuthConfig = { ok: true; config: ManaAuthConfig } | ConfigRefusal;

/** Parses the environment, or this Worker's bindings. Stops at the first malformed variable. */
export function parseManaAuthConfig(environment: Environment): ParsedManaAuthConfig {
  const parsed = parseVariables(environment, ['mana-auth']);
  if (!parsed.ok) return parsed;
  const { values } = parsed;
  const issuerKeys = values.MANA_AUTH_ISSUER_KEY_PEM?.keys ?? [];
  const signing = values.MANA_GRANT_SIGNING_KEY_PEM;
  // A signer of user tokens must never be able to sign grants.
  if (shareKey(issuerKeys, signing?.keys ?? [])) {
    const message = 'wants other keys than MANA_AUTH_ISSUER_KEY_PEM';
    return { ok: false, variable: 'MANA_GRANT_SIGNING_KEY_PEM', message };
  }
  return {
    ok: true,
    config: {
      databaseUrl: values.DATABASE_URL,
      serviceKey: values.MANA_SERVICE_KEY,
      issuerKeys,
      userTokens: {
        jwksUrl: values.MANA_JWKS_URL?.href ?? null,
        issuer: values.MANA_JWT_ISSUER,
        audience: values.MANA_JWT_AUDIENCE,
      },
      grantSigningPem: signing?.pem ?? null,
      runnerKeys: (values.MANA_AI_PUBLIC_KEY_PEM?.keys ?? []).map(rawPublicKey),
      keks: values.MANA_AUTH_KEK ?? [],
      console: consoleOf(values.MANA_CONSOLE_PORT, values.MANA_CONSOLE_ORIGIN),
    },
  };
}

function shareKey(some: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  const known = new Set(some.map(String));
  return others.some((key) => known.has(String(key)));
}
