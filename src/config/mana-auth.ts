import { z } from 'zod';
import { isSafeX25519PublicKey } from '../grants/curve25519.ts';
import { type PemKind, readPemKeys } from '../grants/pem.ts';
import { fromBase64 } from '../mana-auth/base64.ts';

/** Where several keys are possible the first is current. Null is unset. */
export type ManaAuthConfig = {
  databaseUrl: string | null;
  serviceKey: string | null;
  /** PKCS#8 DER of Ed25519 keys that sign user tokens of the embedded default; empty where another service does that */
  issuerKeys: readonly Uint8Array<ArrayBuffer>[];
  /** jwksUrl null: user tokens are those of the issuer keys */
  userTokens: { jwksUrl: string | null; issuer: string; audience: string };
  /** PEM text with one or more Ed25519 keys */
  grantSigningPem: string | null;
  /** the runner's X25519 public keys, 32 bytes each */
  runnerKeys: readonly Uint8Array<ArrayBuffer>[];
  /** key-encryption keys, 32 bytes each */
  keks: readonly Uint8Array<ArrayBuffer>[];
};

export type ParsedManaAuthConfig =
  { ok: true; config: ManaAuthConfig } | { ok: false; variable: string; message: string };

const WANTS_DATABASE = 'wants postgres://user:password@host:port/database';

const WANTS_KEKS = 'wants base64 of 32 bytes each, comma-separated, each once';
const WANTS_PUBLIC_KEYS = 'X25519 public keys as SPKI PEM';

/** The last 32 bytes of an SPKI structure are the key (RFC 8410, section 4). */
const PUBLIC_KEY_BYTES = 32;
const KEK_BYTES = 32;

const variables = z.object({
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, WANTS_DATABASE)
    .refine((url) => URL.canParse(url), WANTS_DATABASE)
    .optional(),
  MANA_SERVICE_KEY: z.string().optional(),
  MANA_JWKS_URL: z
    .url({ protocol: /^https?$/, message: 'wants an http:// or https:// URL' })
    .optional(),
  MANA_JWT_ISSUER: z.string().default('mana-auth'),
  MANA_JWT_AUDIENCE: z.string().default('mana'),
  MANA_AUTH_ISSUER_KEY_PEM: keys('ed25519-private', 'Ed25519 private keys as PKCS#8 PEM'),
  MANA_GRANT_SIGNING_KEY_PEM: keys('ed25519-private', 'Ed25519 private keys as PKCS#8 PEM'),
  MANA_AI_PUBLIC_KEY_PEM: keys('x25519-public', WANTS_PUBLIC_KEYS),
  MANA_AUTH_KEK: z.string().transform(readKeks).optional(),
});

/**
 * Reads this Worker's environment; the only place that does. Empty and null mean unset, other names are ignored.
 * @returns the configuration, or the first malformed variable and what it wants (never its value)
 */
export function parseManaAuthConfig(
  env: Readonly<Record<string, unknown>> | object,
): ParsedManaAuthConfig {
  const set: Record<string, string> = Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '',
    ),
  );
  const parsed = variables.safeParse(set);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return {
      ok: false,
      variable: String(issue?.path[0]),
      message: issue?.message ?? 'is malformed',
    };
  }
  const { data } = parsed;
  const issuerKeys = data.MANA_AUTH_ISSUER_KEY_PEM ?? [];
  // A signer of user tokens must never be able to sign grants.
  if (shareKey(issuerKeys, data.MANA_GRANT_SIGNING_KEY_PEM ?? [])) {
    const message = 'wants other keys than MANA_AUTH_ISSUER_KEY_PEM';
    return { ok: false, variable: 'MANA_GRANT_SIGNING_KEY_PEM', message };
  }
  const runnerKeys = (data.MANA_AI_PUBLIC_KEY_PEM ?? []).map((der) => der.slice(-PUBLIC_KEY_BYTES));
  if (!runnerKeys.every(isSafeX25519PublicKey)) {
    // With a key of small order everybody knows the shared secret (RFC 7748, section 6.1).
    return {
      ok: false,
      variable: 'MANA_AI_PUBLIC_KEY_PEM',
      message: `wants ${WANTS_PUBLIC_KEYS}, none of small order`,
    };
  }
  return {
    ok: true,
    config: {
      databaseUrl: data.DATABASE_URL ?? null,
      serviceKey: data.MANA_SERVICE_KEY ?? null,
      issuerKeys,
      userTokens: {
        jwksUrl: data.MANA_JWKS_URL ?? null,
        issuer: data.MANA_JWT_ISSUER,
        audience: data.MANA_JWT_AUDIENCE,
      },
      grantSigningPem:
        data.MANA_GRANT_SIGNING_KEY_PEM === undefined
          ? null
          : (set['MANA_GRANT_SIGNING_KEY_PEM'] ?? null),
      runnerKeys,
      keks: data.MANA_AUTH_KEK ?? [],
    },
  };
}

function shareKey(some: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  const known = new Set(some.map(String));
  return others.some((key) => known.has(String(key)));
}

function keys(kind: PemKind, wants: string) {
  return z
    .string()
    .transform((text, context) => {
      const read = readPemKeys(text, kind);
      if (read.ok) return read.keys;
      const message =
        read.reason === 'rsa'
          ? 'holds an RSA key; run `npm run keys -- --replace`'
          : `wants ${wants}`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .optional();
}

function readKeks(text: string, context: z.RefinementCtx): Uint8Array<ArrayBuffer>[] {
  const parts = text.split(',').map((part) => part.trim());
  const keks = parts.map(fromBase64).filter((kek) => kek !== null);
  const whole = keks.length === parts.length && keks.every((kek) => kek.length === KEK_BYTES);
  if (whole && new Set(parts).size === parts.length) return keks;
  context.addIssue({ code: 'custom', message: WANTS_KEKS });
  return z.NEVER;
}
