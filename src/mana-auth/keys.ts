import { encodeBase64url } from '../grants/bytes.ts';
import { importRunnerPublicKey, importSigningKeys, type RecipientKey } from '../grants/index.ts';
import type { Database } from '../postgres/port.ts';
import type { ManaAuthConfig } from '../config/mana-auth.ts';
import type { Keys } from './deps.ts';
import { importKekRing } from './kek-ring.ts';
import { Vault } from './vault.ts';

/** Imports all keys of the configuration, private ones so that they cannot be read back. */
export async function importKeys(config: ManaAuthConfig, database: Database): Promise<Keys> {
  const { keks, runnerKeys, grantSigningPem } = config;
  return {
    vault: keks.length === 0 ? null : new Vault(database, await importKekRing(keks)),
    recipients: await Promise.all(runnerKeys.map(importRecipient)),
    signingKeys: grantSigningPem === null ? [] : await importSigningKeys(grantSigningPem),
  };
}

async function importRecipient(raw: Uint8Array): Promise<RecipientKey> {
  return importRunnerPublicKey({ kty: 'OKP', crv: 'X25519', x: encodeBase64url(raw) });
}
