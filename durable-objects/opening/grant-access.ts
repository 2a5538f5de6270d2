import {
  type GrantClaims,
  type GrantKeys,
  type GrantReason,
  hashOfKeys,
  importRunnerPrivateKeys,
  openGrantKeys,
  type Refused,
  type RecordKeys,
  verifyGrant,
} from '../../src/grants/index.ts';
import { isRecord } from '../../src/values/fields.ts';
import type { GrantView } from '../../src/missions/views.ts';
import { ask } from '../../src/postgres/one-statement.ts';
import type { Database, Row } from '../../src/postgres/port.ts';
import { selectGrantUse } from './grant-queries.ts';
import { grantKey } from './grant-key-set.ts';
import type { GrantSettings } from '../settings.ts';

const EXPIRES_SOON_MS = 24 * 60 * 60_000;

/** A grant whose keys are open. It stays in memory, for one run. */
export type OpenGrant = {
  /** the text that was verified: another one in its place is another grant */
  token: string;
  claims: GrantClaims;
  keys: GrantKeys;
  missionKeys: RecordKeys;
};

export type GrantVerdict = { ok: true; grant: OpenGrant } | { ok: false; reason: GrantReason };

type Verified = { ok: true; claims: GrantClaims; keysJwe: string } | Refused;

/** A mission's field `grant`, as far as it can be shown. */
type NamedGrant = Readonly<Record<string, unknown>> & { grantId: string };

/**
 * Judges and opens the grants of one user's missions. Every use asks PostgreSQL, so that a
 * revocation counts at once.
 */
export class GrantAccess {
  readonly #userId: string;
  readonly #database: Database;
  readonly #settings: GrantSettings;
  readonly #modelLocality: () => Promise<'local' | 'remote'>;

  constructor(options: {
    userId: string;
    database: Database;
    settings: GrantSettings;
    /** asked because a local server may pass its model on, which the settings do not show */
    modelLocality: () => Promise<'local' | 'remote'>;
  }) {
    this.#userId = options.userId;
    this.#database = options.database;
    this.#settings = options.settings;
    this.#modelLocality = options.modelLocality;
  }

  /**
   * Checks everything that has to hold before a key is used (token, mission, model, the grant's
   * row), and then opens the keys.
   * @throws PostgresError, GrantKeySetError: then nothing is known about the grant
   */
  async open(missionId: string, grant: unknown): Promise<GrantVerdict> {
    if (this.#settings.privateKeysPem === null) return refused('not-configured');
    const verified = await this.#verify(missionId, grant);
    if (!verified.ok) return verified;
    const { claims, keysJwe } = verified;
    const privateKeys = await importRunnerPrivateKeys(this.#settings.privateKeysPem);
    const opened = await openGrantKeys({ claims, keysJwe, privateKeys });
    if (!opened.ok) return opened;
    const missionKeys = opened.keys.get(`aiMissions:${missionId}`);
    return missionKeys === undefined
      ? refused('wrap-rejected')
      : { ok: true, grant: { token: tokenOf(grant), claims, keys: opened.keys, missionKeys } };
  }

  /**
   * Why an open grant must not be used any more; null while it may be used.
   * @throws PostgresError
   */
  async lapsed({ claims }: OpenGrant): Promise<GrantReason | null> {
    if (claims.exp * 1_000 <= Date.now()) return 'expired';
    const row = await this.#row(claims);
    return row.ok ? null : row.reason;
  }

  /**
   * The state of a mission's grant, as its owner sees it; undefined if the mission carries none.
   */
  async view(missionId: string, grant: unknown): Promise<GrantView | undefined> {
    if (!isNamed(grant)) return nameless(grant);
    return this.#shown(grant, await this.#verify(missionId, grant));
  }

  /**
   * The same for a mission that waits for its grant. The keys are opened and dropped again, since
   * only that shows whether they are the keys that were signed for.
   */
  async viewOpened(missionId: string, grant: unknown): Promise<GrantView | undefined> {
    if (!isNamed(grant)) return nameless(grant);
    const verdict = await this.open(missionId, grant);
    return this.#shown(grant, verdict.ok ? { ok: true, claims: verdict.grant.claims } : verdict);
  }

  #shown(
    grant: NamedGrant,
    verdict: Pick<Verified & { ok: true }, 'ok' | 'claims'> | Refused,
  ): GrantView {
    const { grantId } = grant;
    if (!verdict.ok)
      return { grantId, expiresAt: textOf(grant['expiresAt']), state: verdict.reason };
    const { claims } = verdict;
    return {
      grantId,
      expiresAt: new Date(claims.exp * 1_000).toISOString(),
      state: this.#stateOf(claims),
    };
  }

  #stateOf({ exp }: GrantClaims): GrantView['state'] {
    if (this.#settings.privateKeysPem === null) return 'not-configured';
    return exp * 1_000 - Date.now() < EXPIRES_SOON_MS ? 'expires-soon' : 'ok';
  }

  async #verify(missionId: string, grant: unknown): Promise<Verified> {
    if (!isRecord(grant) || typeof grant['token'] !== 'string') return refused('malformed');
    const verified = await verifyGrant({
      token: grant['token'],
      keyOf: (kid) => grantKey(this.#settings.jwksUrl, kid),
      userId: this.#userId,
      missionId,
      nowMs: Date.now(),
    });
    if (!verified.ok) return verified;
    if (verified.claims.llm === 'local' && !(await this.#isModelLocal()))
      return refused('model-not-local');
    const row = await this.#row(verified.claims);
    return row.ok ? { ok: true, claims: verified.claims, keysJwe: row.keysJwe } : row;
  }

  async #isModelLocal(): Promise<boolean> {
    return this.#settings.modelIsLocal && (await this.#modelLocality()) === 'local';
  }

  /** Reads the row that says whether the keys still exist: a good signature alone opens nothing. */
  async #row(
    claims: GrantClaims,
  ): Promise<{ ok: true; keysJwe: string } | { ok: false; reason: GrantReason }> {
    const asker = { role: 'mana_ai_runner', userId: this.#userId } as const;
    const [found] = await ask(this.#database, asker, selectGrantUse(claims));
    const row = judgeRow(found, claims);
    // If these are other keys than those that were signed for, somebody wrote to the table.
    return row.ok && (await hashOfKeys(row.keysJwe)) !== claims.keysHash
      ? refused('wrap-rejected')
      : row;
  }
}

function judgeRow(
  row: Row | undefined,
  claims: GrantClaims,
): { ok: true; keysJwe: string } | { ok: false; reason: GrantReason } {
  if (row === undefined || row['revoked'] === 'true') return refused('revoked');
  if (row['expired'] === 'true') return refused('expired');
  if (row['mission'] !== claims.mission) return refused('wrong-mission');
  const keysJwe = row['keys_jwe'] ?? null;
  return keysJwe === null ? refused('revoked') : { ok: true, keysJwe };
}

function refused(reason: GrantReason): { ok: false; reason: GrantReason } {
  return { ok: false, reason };
}

/** The app's own grants name no id: the mission carries one all the same, and waits for one of ours. */
function nameless(grant: unknown): GrantView | undefined {
  if (grant === null || grant === undefined) return undefined;
  const expiresAt = isRecord(grant) ? textOf(grant['expiresAt']) : '';
  return { grantId: '', expiresAt, state: 'malformed' };
}

function isNamed(grant: unknown): grant is NamedGrant {
  return isRecord(grant) && typeof grant['grantId'] === 'string';
}

/** The token of a mission's field `grant`; an empty text where it has none. */
export function tokenOf(grant: unknown): string {
  return isRecord(grant) ? textOf(grant['token']) : '';
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
