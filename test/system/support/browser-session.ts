import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';

export type BrowserKey = {
  publicKey: Record<string, unknown>;
  /** a proof as a page makes it, but for `changes` */
  proof(claims: JWTPayload, header?: { alg?: string; typ?: string }): Promise<string>;
};

/** The key of a browser's session. */
export async function browserKey(): Promise<BrowserKey> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const { kty, crv, x, y } = await exportJWK(publicKey);
  return {
    publicKey: { kty, crv, x, y },
    proof: (claims, header = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', typ: 'mana-session+jwt', ...header })
        .sign(privateKey),
  };
}
