import { formatRecordRef, missionRef, parseRecordRef } from '../../grants/names.ts';
import { api } from './api.ts';
import { sealPart } from './lazy.ts';
import type { Mission } from './missions.ts';
import { Watched } from './store.ts';
import type { Keys } from './vault.ts';

export type Grant = {
  grantId: string;
  missionId: string;
  records: string[];
  llm: 'any' | 'local';
  issuedAt: string;
  expiresAt: string;
  revokedAt?: string;
};

export const grants = new Watched<readonly Grant[] | undefined>(undefined);

const BASE = '/api/v1/me/ai-mission-grant';
export const DAY_MS = 86_400_000;

export async function loadGrants(): Promise<void> {
  grants.set((await api<{ grants: Grant[] }>(BASE)).grants);
}

export function isLive({ revokedAt, expiresAt }: Grant): boolean {
  return revokedAt === undefined && Date.parse(expiresAt) > Date.now();
}

/** Ends a grant at once. */
export async function revoke(grantId: string): Promise<void> {
  await api(`${BASE}/${encodeURIComponent(grantId)}`, { method: 'DELETE' });
  await loadGrants();
}

export type GrantWish = {
  mission: Mission;
  records: readonly string[];
  llm: 'any' | 'local';
  ttlMs: number;
  /** seals the keys here: the server has no key to seal them with */
  zeroKnowledge: boolean;
  keys: Keys | null;
};

/** The two servers name different keys of the runner. */
export class KeysDiffer extends Error {
  override name = 'KeysDiffer';
}

/** Grants, and writes the grant into its mission, where the runner finds it. */
export async function grant(wish: GrantWish): Promise<Mission> {
  const { mission, records, llm, ttlMs } = wish;
  const tables = [...new Set(records.map((name) => name.split(':')[0] ?? ''))];
  const asked = { missionId: mission.id, tables, recordIds: records, llm, ttlMs };
  const minted = wish.zeroKnowledge
    ? await api(`${BASE}/sealed`, {
        method: 'POST',
        body: { ...asked, keys: await sealedKeys(wish) },
      })
    : await api(BASE, { method: 'POST', body: asked });
  const answer = await api<{ mission: Mission }>(
    `/api/v1/me/missions/${encodeURIComponent(mission.id)}`,
    { method: 'PATCH', body: { grant: minted }, key: crypto.randomUUID() },
  );
  await loadGrants();
  return answer.mission;
}

type RunnerKey = { kid: string; jwk: unknown };

/** The records' keys, sealed to the runner by this browser (JWE). */
async function sealedKeys({ mission, records, ttlMs, keys }: GrantWish): Promise<string> {
  if (keys === null) throw new TypeError('locked');
  const [ofRunner, ofGrants] = await Promise.all([
    api<RunnerKey>('/api/v1/me/runner-key'),
    api<RunnerKey>('/api/v1/me/runner-key?of=mana-auth'),
  ]);
  if (ofRunner.kid !== ofGrants.kid) throw new KeysDiffer();
  const { deriveRecordKeyBytes, importRunnerPublicKey, sealKeys } = await sealPart();
  const names = [...records, formatRecordRef(missionRef(mission.id))];
  const derived = await Promise.all(
    names.map(async (name) => {
      const ref = parseRecordRef(name);
      if (ref === null) throw new TypeError('no record');
      const bytes = await deriveRecordKeyBytes(keys.masterKey, ref, 1);
      return [name, new Map([[1, bytes]])] as const;
    }),
  );
  return sealKeys({
    recipient: await importRunnerPublicKey(
      ofRunner.jwk as Parameters<typeof importRunnerPublicKey>[0],
    ),
    userId: keys.userId,
    missionId: mission.id,
    // A minute more than the grant, whose end the server counts from its own clock.
    expiresAtSec: Math.floor((Date.now() + ttlMs) / 1_000) + 60,
    keys: new Map(derived),
  });
}

/** What a grant of this mission would cover: its inputs, and its agent where that is encrypted. */
export function wantedRecords({ inputs = [] }: Mission): string[] {
  return [...new Set(inputs.map(({ table, id }) => `${table}:${id}`))];
}
