import { api } from './api.ts';
import { base64urlOf, bytesOfBase64url } from './encoding.ts';
import { type StartAnswer, startSession } from './session.ts';

/**
 * Why a passkey did not do what it was asked for: cancelled, not-supported, another-address, known,
 * or a code of the server.
 */
export type PasskeyFailure = string;

/** Passkeys need the interface, and a host name: an address has none. */
export function passkeysWork(): boolean {
  return 'PublicKeyCredential' in globalThis && !/^[\d.]+$|^\[/.test(location.hostname);
}

/** Passkeys of localhost serve every program on it: what their PRF gives is no secret of this page. */
export function prfWorks(): boolean {
  return passkeysWork() && !/(?:^|\.)localhost$/.test(location.hostname);
}

const PRF_INPUT = new TextEncoder().encode('mana/passkey-prf/v1');
const ALGORITHMS = [-8, -7, -257];

type Challenge = { challenge: string; rpId: string };

async function challenge(): Promise<Challenge> {
  const response = await fetch('/api/v1/passkeys/challenge', { method: 'POST' });
  const answer = (await response.json()) as Challenge & { code?: string };
  if (!response.ok) throw new DOMException(answer.code ?? '', 'NotSupportedError');
  return answer;
}

/** 32 bytes that name the person to their authenticator, and nothing else. */
async function userHandle(userId: string): Promise<Uint8Array<ArrayBuffer>> {
  const text = new TextEncoder().encode(`mana/user-handle/v1\0${userId}`);
  return new Uint8Array(await crypto.subtle.digest('SHA-256', text));
}

/** Makes a passkey of this device and has the server keep it; its id, or why not. */
export async function addPasskey(
  userId: string,
  name: string,
  known: readonly string[],
): Promise<{ ok: true; credentialId: string } | { ok: false; why: PasskeyFailure }> {
  try {
    const asked = await challenge();
    const credential = await navigator.credentials.create({
      publicKey: {
        challenge: bytesOfBase64url(asked.challenge),
        rp: { id: asked.rpId, name: 'mana' },
        user: { id: await userHandle(userId), name, displayName: name },
        pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
        excludeCredentials: known.map((id) => ({ type: 'public-key', id: bytesOfBase64url(id) })),
        ...(prfWorks() ? { extensions: { prf: {} } } : {}),
      },
    });
    const made = sendable(credential as PublicKeyCredential);
    const answer = await api<{ credentialId: string }>('/api/v1/me/passkeys', {
      method: 'POST',
      body: { credential: made, name },
    });
    return { ok: true, credentialId: answer.credentialId };
  } catch (thrown) {
    return { ok: false, why: failureOf(thrown) };
  }
}

/** Signs in by a passkey that the browser knows. */
export async function signInByPasskey(): Promise<StartAnswer | { ok: false; why: PasskeyFailure }> {
  try {
    const credential = await ask(await challenge(), []);
    return await startSession('/api/v1/sessions/passkey', { credential: sendable(credential) });
  } catch (thrown) {
    return { ok: false, why: failureOf(thrown) };
  }
}

/** What the PRF of one of these passkeys gives; it never leaves this page. */
export async function passkeySecret(
  credentialIds: readonly string[],
): Promise<
  | { ok: true; credentialId: string; secret: Uint8Array<ArrayBuffer> }
  | { ok: false; why: PasskeyFailure }
> {
  try {
    const credential = await ask(await challenge(), credentialIds);
    const { first } = credential.getClientExtensionResults().prf?.results ?? {};
    if (!(first instanceof ArrayBuffer)) return { ok: false, why: 'not-supported' };
    return { ok: true, credentialId: credential.id, secret: new Uint8Array(first) };
  } catch (thrown) {
    return { ok: false, why: failureOf(thrown) };
  }
}

async function ask(
  { challenge: text, rpId }: Challenge,
  credentialIds: readonly string[],
): Promise<PublicKeyCredential> {
  const wantsSecret = credentialIds.length > 0;
  const credential = await navigator.credentials.get({
    publicKey: {
      challenge: bytesOfBase64url(text),
      rpId,
      userVerification: 'required',
      allowCredentials: credentialIds.map((id) => ({
        type: 'public-key',
        id: bytesOfBase64url(id),
      })),
      ...(wantsSecret ? { extensions: { prf: { eval: { first: PRF_INPUT } } } } : {}),
    },
  });
  return credential as PublicKeyCredential;
}

/** What of a credential goes to the server: named fields alone, so that what a PRF gave is not among them. */
function sendable(credential: PublicKeyCredential): object {
  const { response } = credential;
  const common = {
    id: credential.id,
    rawId: base64urlOf(credential.rawId),
    type: 'public-key',
    clientExtensionResults: {},
  };
  const clientDataJSON = base64urlOf(response.clientDataJSON);
  if (response instanceof AuthenticatorAttestationResponse) {
    return {
      ...common,
      response: {
        clientDataJSON,
        attestationObject: base64urlOf(response.attestationObject),
        transports: response.getTransports(),
      },
    };
  }
  const assertion = response as AuthenticatorAssertionResponse;
  const { userHandle: handle } = assertion;
  return {
    ...common,
    response: {
      clientDataJSON,
      authenticatorData: base64urlOf(assertion.authenticatorData),
      signature: base64urlOf(assertion.signature),
      ...(handle === null ? {} : { userHandle: base64urlOf(handle) }),
    },
  };
}

function failureOf(thrown: unknown): PasskeyFailure {
  if (!(thrown instanceof DOMException))
    return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'not-supported';
  if (thrown.name === 'SecurityError') return 'another-address';
  if (thrown.name === 'InvalidStateError') return 'known';
  return thrown.name === 'NotAllowedError' || thrown.name === 'AbortError'
    ? 'cancelled'
    : 'not-supported';
}
