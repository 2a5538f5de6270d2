import { encodeBase64url, utf8 } from '../../grants/bytes.ts';

export const LINK_LIFETIME_MS = 15 * 60_000;
const SECRET_BYTES = 32;

export type SignInLink = { url: string; secretHash: string; expiresAt: string };

/**
 * A link that signs in once. Its secret stands in the fragment, which browsers do not send to any
 * server; only the secret's hash is stored.
 */
export async function createSignInLink(origin: string, nowMs: number): Promise<SignInLink> {
  const secret = encodeBase64url(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
  return {
    url: `${origin}/#sign-in=${secret}`,
    secretHash: await linkHash(secret),
    expiresAt: new Date(nowMs + LINK_LIFETIME_MS).toISOString(),
  };
}

/** The secret of a link, whether the whole link was given or its fragment or the secret alone. */
export function secretOf(link: string): string {
  return (
    link
      .split('#')
      .at(-1)
      ?.replace(/^sign-in=/, '') ?? ''
  );
}

/** base64url of the SHA-256 of a link's secret. */
export async function linkHash(secret: string): Promise<string> {
  return encodeBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(secret))));
}
