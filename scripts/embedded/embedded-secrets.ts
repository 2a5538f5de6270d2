import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { calculateJwkThumbprint, importPKCS8, SignJWT } from 'jose';
import type { Environment } from '../process/environment.ts';

/**
 * What the embedded default makes for itself on its first start: every key that the two Workers
 * need.
 */
export type EmbeddedSecrets = {
  issuerKeyPem: string;
  serviceKey: string;
  runnerPrivateKeyPem: string;
  runnerPublicKeyPem: string;
  grantSigningKeyPem: string;
  kek: string;
};

const TOKEN_LIFETIME = '30d';

/**
 * Reads the secrets of a data folder, and makes there what is missing, readable by their owner
 * alone.
 */
export function embeddedSecrets(dataDir: string): EmbeddedSecrets {
  const path = `${dataDir}/secrets.json`;
  const present = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as Partial<EmbeddedSecrets>)
    : {};
  const secrets = { ...freshSecrets(), ...present };
  if (Object.keys(present).length === Object.keys(secrets).length) return secrets;
  // Written beside and moved: a folder of an earlier version keeps its keys or has all of them,
  // whatever happens in between.
  writeFileSync(`${path}.new`, JSON.stringify(secrets), { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return secrets;
}

function freshSecrets(): EmbeddedSecrets {
  const runner = generateKeyPairSync('x25519');
  return {
    issuerKeyPem: signingKeyPem(),
    serviceKey: randomBytes(24).toString('base64url'),
    runnerPrivateKeyPem: runner.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    runnerPublicKeyPem: runner.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    grantSigningKeyPem: signingKeyPem(),
    kek: randomBytes(32).toString('base64'),
  };
}

function signingKeyPem(): string {
  return generateKeyPairSync('ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

/**
 * The folder's own keys, where the environment has none. The runner's pair comes from one place:
 * halves of two would never meet.
 */
export function withOwnKeys(given: Environment, secrets: EmbeddedSecrets): Environment {
  const hasRunnerKey = Boolean(given['MANA_AI_PRIVATE_KEY_PEM'] || given['MANA_AI_PUBLIC_KEY_PEM']);
  const runnerPair = {
    MANA_AI_PRIVATE_KEY_PEM: secrets.runnerPrivateKeyPem,
    MANA_AI_PUBLIC_KEY_PEM: secrets.runnerPublicKeyPem,
  };
  return {
    ...(hasRunnerKey ? {} : runnerPair),
    MANA_SERVICE_KEY: given['MANA_SERVICE_KEY'] || secrets.serviceKey,
    MANA_AUTH_ISSUER_KEY_PEM: given['MANA_AUTH_ISSUER_KEY_PEM'] || secrets.issuerKeyPem,
    MANA_GRANT_SIGNING_KEY_PEM: given['MANA_GRANT_SIGNING_KEY_PEM'] || secrets.grantSigningKeyPem,
    MANA_AUTH_KEK: given['MANA_AUTH_KEK'] || secrets.kek,
  };
}

/** A user token as mana-auth's own issuer would sign it; the Workers verify it like any other. */
export async function signUserToken(
  issuerKeyPem: string,
  user: { userId: string; issuer: string; audience: string },
): Promise<string> {
  const key = await importPKCS8(issuerKeyPem, 'EdDSA', { extractable: true });
  // With several issuer keys only the kid tells which one signed.
  return new SignJWT()
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: await calculateJwkThumbprint(key) })
    .setSubject(user.userId)
    .setIssuer(user.issuer)
    .setAudience(user.audience)
    .setIssuedAt()
    .setExpirationTime(TOKEN_LIFETIME)
    .sign(key);
}
