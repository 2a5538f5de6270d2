import {
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { decodeBase64url, encodeBase64url } from '../../grants/bytes.ts';
import type { Challenges } from './challenge.ts';
import type { StoredPasskey } from './queries.ts';

/**
 * Where passkeys of this console live (W3C Web Authentication, section 5.1.2): `rpId` is its host
 * name.
 */
export type RelyingParty = { rpId: string; origins: readonly string[] };

export type AnsweredChallenge = { challenge: string; endsAt: string };
export type PasskeyJudge = {
  relyingParty: RelyingParty;
  challenges: Challenges;
  nowMs: number;
};

/**
 * What a browser made, checked; null where it is not to be believed. The authenticator has verified
 * its user.
 */
export async function judgeRegistration(
  credential: RegistrationResponseJSON,
  judge: PasskeyJudge,
): Promise<{ passkey: StoredPasskey; answered: AnsweredChallenge } | null> {
  const seen = challengeCheck(judge);
  try {
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: credential,
      expectedChallenge: seen.check,
      expectedOrigin: [...judge.relyingParty.origins],
      expectedRPID: judge.relyingParty.rpId,
      requireUserVerification: true,
    });
    const answered = seen.answered();
    if (!verified || answered === null) return null;
    const { id, publicKey, counter } = registrationInfo.credential;
    const transports = credential.response.transports ?? [];
    return {
      passkey: {
        credentialId: id,
        publicKey: encodeBase64url(publicKey),
        counter,
        transports: transports.map(String),
      },
      answered,
    };
  } catch {
    return null;
  }
}

/**
 * The counter after an assertion by a known passkey; null where it is not to be believed. The
 * authenticator has verified its user.
 */
export async function judgeAssertion(
  credential: AuthenticationResponseJSON,
  passkey: StoredPasskey,
  judge: PasskeyJudge,
): Promise<{ counter: number; answered: AnsweredChallenge } | null> {
  const seen = challengeCheck(judge);
  const publicKey = decodeBase64url(passkey.publicKey);
  if (publicKey === null) return null;
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: credential,
      expectedChallenge: seen.check,
      expectedOrigin: [...judge.relyingParty.origins],
      expectedRPID: judge.relyingParty.rpId,
      requireUserVerification: true,
      credential: { id: passkey.credentialId, publicKey, counter: passkey.counter },
    });
    const answered = seen.answered();
    return verified && answered !== null
      ? { counter: authenticationInfo.newCounter, answered }
      : null;
  } catch {
    return null;
  }
}

/**
 * The library asks whether a challenge is ours; which one that was has to be noted, so that it
 * counts once.
 */
function challengeCheck({ challenges, nowMs }: PasskeyJudge): {
  check: (challenge: string) => Promise<boolean>;
  answered: () => AnsweredChallenge | null;
} {
  let answered: AnsweredChallenge | null = null;
  return {
    answered: () => answered,
    check: async (challenge) => {
      const endsMs = await challenges.judge(challenge, nowMs);
      if (endsMs === null) return false;
      answered = { challenge, endsAt: new Date(endsMs).toISOString() };
      return true;
    },
  };
}
