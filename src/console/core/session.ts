import { base64urlOf } from './encoding.ts';
import { change, drop, keep, kept } from './storage.ts';
import { Watched } from './store.ts';

/** A session of this browser. The private key cannot be exported. */
export type Session = {
  sessionId: string;
  userId: string;
  privateKey: CryptoKey;
  /** milliseconds since 1970 of the newest proof */
  lastAt: number;
  /** what the server's clock is ahead of ours */
  aheadMs?: number;
};

export type SignedIn = 'unknown' | 'no' | 'ended' | { userId: string; sessionId: string };

/** Whether somebody is signed in here; 'ended' where they were until the server said no. */
export const signedIn = new Watched<SignedIn>('unknown');

const KEY = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' };
/** A token is renewed that long before it ends. */
const RENEW_BEFORE_MS = 60_000;

let token: { text: string; untilMs: number } | null = null;

export async function loadSession(): Promise<void> {
  const session = await kept<Session>('session');
  signedIn.set(session === undefined ? 'no' : plain(session));
}

function plain({ userId, sessionId }: Session): { userId: string; sessionId: string } {
  return { userId, sessionId };
}

/** What a server says to a request that starts a session. */
export type StartAnswer = { ok: true } | { ok: false; code: string; error: string };

/** Makes this browser's key, and has the server start a session of it. `how` is the link or the passkey's answer. */
export async function startSession(path: string, how: object): Promise<StartAnswer> {
  const pair = await crypto.subtle.generateKey(KEY, false, ['sign', 'verify']);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  const body = { ...how, publicKey: { kty, crv, x, y }, name: browserName() };
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, string>;
  if (!response.ok) return { ok: false, code: answer['code'] ?? '', error: answer['error'] ?? '' };
  const { sessionId = '', userId = '' } = answer;
  const before = await kept<Session>('session');
  if (before !== undefined && before.userId !== userId) await forgetPerson();
  token = null;
  await keep('session', { sessionId, userId, privateKey: pair.privateKey, lastAt: 0 });
  signedIn.set({ sessionId, userId });
  return { ok: true };
}

/** Everything of a person that this browser keeps; marks too, which are of their plans. */
export async function forgetPerson(): Promise<void> {
  token = null;
  await Promise.all((['session', 'keys', 'marks', 'batches'] as const).map(drop));
}

/** The session's name in the list of sessions, from what the browser says it is. */
function browserName(): string {
  const agent = navigator.userAgent;
  const browser = /Firefox|Edg|Chrome|Safari/.exec(agent)?.[0]?.replace('Edg', 'Edge') ?? 'Browser';
  const system =
    /iPhone|iPad|Android|Windows|Mac OS X|Linux/.exec(agent)?.[0]?.replace('Mac OS X', 'Mac') ?? '';
  return system === '' ? browser : `${browser}, ${system}`;
}

/** A user token; renewed before it ends. null: nobody is signed in any more. */
export async function userToken(): Promise<string | null> {
  if (token !== null && token.untilMs > Date.now() + RENEW_BEFORE_MS) return token.text;
  // Tabs share the session's clock: `at` has to rise from one proof to the next.
  return navigator.locks.request('mana-token', async () => {
    if (token !== null && token.untilMs > Date.now() + RENEW_BEFORE_MS) return token.text;
    return renew(true);
  });
}

/** The next request asks for a new token: the server did not take this one. */
export function dropToken(): void {
  token = null;
}

async function renew(mayCorrectClock: boolean): Promise<string | null> {
  const session = await change<Session | undefined>('session', (present) =>
    present === undefined
      ? undefined
      : { ...present, lastAt: Math.max(Date.now() + (present.aheadMs ?? 0), present.lastAt + 1) },
  );
  if (session === undefined) {
    signedIn.set('no');
    return null;
  }
  const response = await fetch('/api/v1/sessions/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ proof: await proofOf(session) }),
  });
  if (response.status === 401) {
    const { now } = (await response.json()) as { now?: number };
    const aheadMs = (now ?? Date.now()) - Date.now();
    if (mayCorrectClock && Math.abs(aheadMs) > 30_000) {
      await keep('session', { ...session, aheadMs, lastAt: 0 });
      return renew(false);
    }
    await drop('session');
    signedIn.set('ended');
    return null;
  }
  if (!response.ok) throw new TypeError('no token now');
  const answer = (await response.json()) as { token: string; expiresAt: string };
  const untilMs = Date.parse(answer.expiresAt) - (session.aheadMs ?? 0);
  token = { text: answer.token, untilMs };
  return answer.token;
}

const encode = (value: object): string =>
  base64urlOf(new TextEncoder().encode(JSON.stringify(value)));

/** A compact JWS: ES256, typ `mana-session+jwt`, { sid, at, aud } (RFC 7515). */
async function proofOf({ sessionId, privateKey, lastAt }: Session): Promise<string> {
  const header = encode({ alg: 'ES256', typ: 'mana-session+jwt' });
  const claims = encode({ sid: sessionId, at: lastAt, aud: location.origin });
  const signed = new TextEncoder().encode(`${header}.${claims}`);
  const signature = await crypto.subtle.sign(SIGNATURE, privateKey, signed);
  return `${header}.${claims}.${base64urlOf(signature)}`;
}
