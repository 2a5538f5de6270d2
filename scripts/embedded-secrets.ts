import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, exportPKCS8, generateKeyPair, importPKCS8, SignJWT } from 'jose';

/** What the embedded default makes for itself on its first start. */
export type EmbeddedSecrets = { issuerKeyPem: string; serviceKey: string };

const TOKEN_LIFETIME = '30d';

/** Reads the secrets of a data folder, or makes them there, readable by their owner alone. */
export async function embeddedSecrets(dataDir: string): Promise<EmbeddedSecrets> {
  const path = `${dataDir}/secrets.json`;
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as EmbeddedSecrets;
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const secrets = { issuerKeyPem: await exportPKCS8(privateKey), serviceKey: randomBytes(24).toString('base64url') };
  writeFileSync(path, JSON.stringify(secrets), { mode: 0o600, flag: 'wx' });
  return secrets;
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
