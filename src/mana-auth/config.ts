import { z } from 'zod';
import { type PemKind, readPemKeys } from '../grants/pem.ts';

export type ManaAuthConfig = {
  databaseUrl: string | null;
  /** PKCS#8 DER of Ed25519 keys that sign user tokens of the embedded default; empty where another service does that */
  issuerKeys: readonly Uint8Array<ArrayBuffer>[];
  /** likewise, for grants */
  grantSigningKeys: readonly Uint8Array<ArrayBuffer>[];
};

export type ParsedManaAuthConfig =
  { ok: true; config: ManaAuthConfig } | { ok: false; variable: string; message: string };

const WANTS_DATABASE = 'wants postgres://user:password@host:port/database';

const variables = z.object({
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, WANTS_DATABASE)
    .refine((url) => URL.canParse(url), WANTS_DATABASE)
    .optional(),
  MANA_AUTH_ISSUER_KEY_PEM: keys('ed25519-private', 'Ed25519 private keys as PKCS#8 PEM'),
  MANA_GRANT_SIGNING_KEY_PEM: keys('ed25519-private', 'Ed25519 private keys as PKCS#8 PEM'),
  MANA_AI_PUBLIC_KEY_PEM: keys('x25519-public', 'X25519 public keys as SPKI PEM'),
  MANA_AUTH_KEK: z.string().refine(isKekList, 'wants base64 of 32 bytes each, comma-separated').optional(),
});

/**
 * Reads this Worker's environment; the only place that does. Empty and null mean unset, other names are ignored.
 * @returns the configuration, or the first malformed variable and what it wants (never its value)
 */
export function parseManaAuthConfig(env: Readonly<Record<string, unknown>> | object): ParsedManaAuthConfig {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => typeof value === 'string' && value !== ''));
  const parsed = variables.safeParse(set);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { ok: false, variable: String(issue?.path[0]), message: issue?.message ?? 'is malformed' };
  }
  const {
    DATABASE_URL,
    MANA_AUTH_ISSUER_KEY_PEM: issuerKeys = [],
    MANA_GRANT_SIGNING_KEY_PEM: grantSigningKeys = [],
  } = parsed.data;
  // A signer of user tokens must never be able to sign grants.
  if (shareKey(issuerKeys, grantSigningKeys)) {
    const message = 'wants other keys than MANA_AUTH_ISSUER_KEY_PEM';
    return { ok: false, variable: 'MANA_GRANT_SIGNING_KEY_PEM', message };
  }
  return { ok: true, config: { databaseUrl: DATABASE_URL ?? null, issuerKeys, grantSigningKeys } };
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
      const message = read.reason === 'rsa' ? 'holds an RSA key; run `npm run keys -- --replace`' : `wants ${wants}`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .optional();
}

function isKekList(text: string): boolean {
  return text.split(',').every((part) => /^[A-Za-z0-9+/]{43}=$/.test(part.trim()));
}
