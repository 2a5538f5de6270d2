import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import type { Database, Row, Statement } from '../../postgres/port.ts';
import type { TokenSigner } from './access-token.ts';
import type { Challenges } from './challenge.ts';
import { createSignInLink, linkHash, secretOf } from './link.ts';
import { judgeAssertion, judgeRegistration, type RelyingParty } from './passkey.ts';
import {
  endOldestSessions,
  endSession,
  endSessionsBut,
  insertLink,
  insertPasskey,
  type ListedPasskey,
  listedPasskeyOf,
  type ListedSession,
  listedSessionOf,
  notePasskeyUse,
  noteProof,
  type PasskeyWrap,
  removePasskey,
  selectOwner,
  selectPasskey,
  selectPasskeys,
  selectSessionKey,
  selectSessions,
  selectWraps,
  setPasskeyWrap,
  type SignInKind,
  storedPasskeyOf,
  useChallenge,
  useLink,
  wrapOf,
} from './queries.ts';
import { claimedSession, type SessionKey, verifySessionProof } from './session-proof.ts';

export type SignInDeps = {
  database: Database;
  /** the first is the one that links name */
  origins: readonly [string, ...string[]];
  /** null where the console has no host name: passkeys need one */
  relyingParty: RelyingParty | null;
  sign: TokenSigner;
  challenges: Challenges;
  nowMs: () => number;
};

export type Browser = { publicKey: SessionKey; name: string };
export type Started = { sessionId: string; userId: string };

/**
 * Links, sessions and passkeys of the console. A null is a refusal; a caller who is not signed in
 * is not told what exactly was wrong.
 */
export class SignIn {
  readonly #deps: SignInDeps;
  constructor(deps: SignInDeps) {
    this.#deps = deps;
  }

  get relyingParty(): RelyingParty | null {
    return this.#deps.relyingParty;
  }

  /**
   * A link that signs in once, within 15 minutes; null where too many of that person's are open.
   */
  async link(userId: string): Promise<{ url: string; expiresAt: string } | null> {
    const { url, secretHash, expiresAt } = await createSignInLink(
      this.#deps.origins[0],
      this.#deps.nowMs(),
    );
    const [kept] = await this.#as(userId, [insertLink(userId, secretHash, expiresAt)]);
    return kept?.length === 1 ? { url, expiresAt } : null;
  }

  async startByLink(link: string, { publicKey, name }: Browser): Promise<Started | null> {
    const secretHash = await linkHash(secretOf(link));
    const userId = await this.#ownerOf('link', secretHash);
    if (userId === null) return null;
    const sessionId = crypto.randomUUID();
    const use = useLink(userId, secretHash, { sessionId, publicKey, name });
    const [started] = await this.#as(userId, [use, endOldestSessions(userId)]);
    return started?.length === 1 ? { sessionId, userId } : null;
  }

  async startByPasskey(
    credential: AuthenticationResponseJSON,
    { publicKey, name }: Browser,
  ): Promise<Started | null> {
    const judge = this.#judge();
    const userId = await this.#ownerOf('passkey', credential.id);
    if (judge === null || userId === null) return null;
    const [rows] = await this.#as(userId, [selectPasskey(userId, credential.id)]);
    const passkey = storedPasskeyOf(rows?.[0]);
    const judged = passkey === null ? null : await judgeAssertion(credential, passkey, judge);
    if (judged === null) return null;
    const sessionId = crypto.randomUUID();
    const [started] = await this.#as(userId, [
      useChallenge(userId, judged.answered, { sessionId, publicKey, name }),
      notePasskeyUse(userId, credential.id, judged.counter),
      endOldestSessions(userId),
    ]);
    return started?.length === 1 ? { sessionId, userId } : null;
  }

  /**
   * A user token of ten minutes for the browser that holds a session's key. Each proof counts once.
   */
  async token(proof: string): Promise<{ token: string; expiresAt: string } | null> {
    const sessionId = claimedSession(proof);
    const userId = sessionId === null ? null : await this.#ownerOf('session', sessionId);
    if (sessionId === null || userId === null) return null;
    const [rows] = await this.#as(userId, [selectSessionKey(userId, sessionId)]);
    const key = rows?.[0]?.['public_key'];
    if (!key) return null;
    const nowMs = this.#deps.nowMs();
    const { origins } = this.#deps;
    const proven = await verifySessionProof(proof, JSON.parse(key) as SessionKey, {
      origins,
      nowMs,
    });
    if (proven === null) return null;
    const [noted] = await this.#as(userId, [noteProof(userId, sessionId, proven.atMs)]);
    return noted?.length === 1 ? this.#deps.sign({ userId, sessionId, nowMs }) : null;
  }

  async sessions(userId: string): Promise<ListedSession[]> {
    const [rows = []] = await this.#as(userId, [selectSessions(userId)]);
    return rows.map(listedSessionOf);
  }

  /** False: the person has no such session. */
  async end(userId: string, sessionId: string): Promise<boolean> {
    const [rows] = await this.#as(userId, [endSession(userId, sessionId)]);
    return rows?.length === 1;
  }

  /** Ends all sessions but one, or all, and closes the links that are open. */
  async endAllBut(userId: string, kept: string | null): Promise<void> {
    await this.#as(userId, [endSessionsBut(userId, kept)]);
  }

  async challenge(): Promise<string> {
    return this.#deps.challenges.issue(this.#deps.nowMs());
  }

  async passkeys(userId: string): Promise<ListedPasskey[]> {
    const [rows = []] = await this.#as(userId, [selectPasskeys(userId)]);
    return rows.map(listedPasskeyOf);
  }

  /** Keeps a passkey that a browser made. */
  async addPasskey(
    userId: string,
    credential: RegistrationResponseJSON,
    name: string,
  ): Promise<'refused' | 'known-or-too-many' | { credentialId: string; createdAt: string }> {
    const judge = this.#judge();
    const judged = judge === null ? null : await judgeRegistration(credential, judge);
    if (judged === null) return 'refused';
    const { passkey, answered } = judged;
    const [rows] = await this.#as(userId, [insertPasskey(userId, answered, { ...passkey, name })]);
    const createdAt = rows?.[0]?.['created_at'];
    return createdAt ? { credentialId: passkey.credentialId, createdAt } : 'known-or-too-many';
  }

  /** False: the person has no such passkey. */
  async removePasskey(userId: string, credentialId: string): Promise<boolean> {
    const [rows] = await this.#as(userId, [removePasskey(userId, credentialId)]);
    return rows?.length === 1;
  }

  /**
   * Keeps the master key as a passkey wrapped it; 'no-recovery' where no recovery code could open
   * it otherwise.
   */
  async setWrap(
    userId: string,
    credentialId: string,
    wrap: { iv: string; wrapped: string },
  ): Promise<'kept' | 'no-passkey' | 'no-recovery'> {
    const [kept, passkey] = await this.#as(userId, [
      setPasskeyWrap(userId, credentialId, wrap),
      selectPasskey(userId, credentialId),
    ]);
    if (kept?.length === 1) return 'kept';
    return passkey?.length === 1 ? 'no-recovery' : 'no-passkey';
  }

  #judge(): Parameters<typeof judgeRegistration>[1] | null {
    const { relyingParty, challenges, nowMs } = this.#deps;
    return relyingParty === null ? null : { relyingParty, challenges, nowMs: nowMs() };
  }

  /**
   * The caller is not signed in yet, so row-level security hides every row. A function with its
   * owner's rights tells whose the session is, and nothing else.
   */
  async #ownerOf(kind: SignInKind, name: string): Promise<string | null> {
    const [rows] = await this.#deps.database.transaction({
      role: 'mana_auth_service',
      userId: null,
      statements: [selectOwner(kind, name)],
    });
    return rows?.[0]?.['user_id'] ?? null;
  }

  async #as(
    userId: string,
    statements: readonly Statement[],
  ): Promise<readonly (readonly Row[])[]> {
    return this.#deps.database.transaction({ role: 'mana_auth_service', userId, statements });
  }
}

/**
 * The master key as this person's passkeys wrapped it, for a device that opens the vault in
 * zero-knowledge mode.
 */
export async function passkeyWraps(database: Database, userId: string): Promise<PasskeyWrap[]> {
  const statements = [selectWraps(userId)];
  const [rows = []] = await database.transaction({ role: 'mana_auth_service', userId, statements });
  return rows.map(wrapOf);
}
