import { OWN_ISSUER } from '../../http/user-token.ts';
import type { ManaAuthConfig } from '../../config/mana-auth.ts';
import type { Database } from '../../postgres/port.ts';
import { createTokenSigner } from './access-token.ts';
import { Challenges } from './challenge.ts';
import { SignIn } from './sign-in.ts';

/** What signs people in, by the first issuer key; null where there is none. */
export async function createSignIn(
  { issuerKeys, userTokens, console: { origins, rpId } }: ManaAuthConfig,
  { database, nowMs }: { database: Database; nowMs: () => number },
): Promise<SignIn | null> {
  const [issuerKey] = issuerKeys;
  if (issuerKey === undefined) return null;
  const issuer = userTokens.jwksUrl === null ? userTokens.issuer : OWN_ISSUER;
  return new SignIn({
    database,
    nowMs,
    origins,
    relyingParty: rpId === null ? null : { rpId, origins },
    sign: await createTokenSigner(issuerKey, { issuer, audience: userTokens.audience }),
    challenges: await Challenges.from(issuerKey),
  });
}
