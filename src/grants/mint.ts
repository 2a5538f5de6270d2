import { CompactSign } from 'jose';
import { encodeBase64url, utf8 } from './bytes.ts';
import { GRANT_AUDIENCE, GRANT_ISSUER, type GrantClaims, readGrantClaims } from './claims.ts';
import { GrantsError } from './errors.ts';

export const GRANT_TYPE = 'mission-grant+jwt';

export type GrantToMint = {
  signingKey: { kid: string; privateKey: CryptoKey };
  claims: Omit<GrantClaims, 'iss' | 'aud' | 'keysHash'>;
  /** the JWE with the keys, whose text the token names by its hash */
  keysJwe: string;
};

/**
 * Signs a grant: compact JWS (RFC 7515), alg Ed25519 (RFC 9864).
 * @param claims records as sortedScope returns them; exp at most 30 days after iat
 * @throws GrantsError CLAIMS_REFUSED: what verifyGrant would call malformed
 */
export async function mintGrant({ signingKey, claims, keysJwe }: GrantToMint): Promise<string> {
  const keysHash = await hashOfKeys(keysJwe);
  const all = readGrantClaims({ ...claims, iss: GRANT_ISSUER, aud: GRANT_AUDIENCE, keysHash });
  if (all === null) throw new GrantsError('CLAIMS_REFUSED', 'the claims are not those of a grant');
  return new CompactSign(utf8(JSON.stringify(all)))
    .setProtectedHeader({ alg: 'Ed25519', typ: GRANT_TYPE, kid: signingKey.kid })
    .sign(signingKey.privateKey);
}

/** The claim `keysHash`: base64url SHA-256 of the JWE's text. */
export async function hashOfKeys(keysJwe: string): Promise<string> {
  return encodeBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(keysJwe))));
}
