import {
  isCiphertext,
  missionRef,
  newestVersion,
  openIteration,
  openRecord,
  type GrantReason,
} from '../../src/grants/index.ts';
import type { Agent } from '../../src/missions/agent.ts';
import { isRecord } from '../../src/values/fields.ts';
import type { Mission } from '../../src/missions/mission.ts';
import type { GrantVerdict, OpenGrant } from '../opening/grant-access.ts';
import { markVaultFailures } from '../../src/planner/vault-failures.ts';
import type { MissionEntry } from '../projection/projection.ts';

/**
 * What a run may read, and how its results are kept. `mission` is in the clear as far as the grant
 * opens it, `agent` is as the log has it. If `grant` is not null, everything that leaves the run is
 * encrypted under the mission's record key.
 */
export type RunScope = {
  mission: Mission;
  agent: Agent | null;
  grant: OpenGrant | null;
  refusal: GrantReason | null;
};

/**
 * `refusal`: why the grant itself was refused; null if there is no grant, or if it is good but the
 * mission's own text does not open.
 */
export type ScopeVerdict =
  { ok: true; scope: RunScope } | { ok: false; reason: GrantReason; refusal: GrantReason | null };

/**
 * The scope of a run. A mission that carries a grant runs under it or not at all, even if nothing
 * would have to be opened. `verdict` null: the mission carries no grant, so it can run only if it
 * is in plain text.
 */
export async function openScope(
  { mission, agent }: MissionEntry,
  verdict: GrantVerdict | null,
): Promise<ScopeVerdict> {
  if (verdict?.ok === true) return openUnder(verdict.grant, mission, agent);
  // A grant binds: a mission that carries one runs under it or waits, whatever its texts are.
  if (verdict !== null) return { ok: false, reason: verdict.reason, refusal: verdict.reason };
  if (isEncryptedMission(mission)) return { ok: false, reason: 'not-configured', refusal: null };
  const iterations = markVaultFailures(mission.iterations);
  return {
    ok: true,
    scope: { mission: { ...mission, iterations }, agent, grant: null, refusal: null },
  };
}

/** The version that a run writes under: the newest that the grant holds. */
export function writingVersion({ missionKeys }: OpenGrant): number {
  return newestVersion(missionKeys) ?? 1;
}

function isEncryptedMission({ title, objective, conceptMarkdown }: Mission): boolean {
  return [title, objective, conceptMarkdown].some(isCiphertext);
}

async function openUnder(
  grant: OpenGrant,
  mission: Mission,
  agent: Agent | null,
): Promise<ScopeVerdict> {
  const { title, objective, conceptMarkdown } = mission;
  const ref = missionRef(mission.id);
  const opened = await openRecord({
    keys: grant.missionKeys,
    ref,
    record: { title, objective, conceptMarkdown },
  });
  if (!opened.ok) return { ok: false, reason: opened.reason, refusal: null };
  const clear = {
    ...mission,
    ...textsOf(opened.record),
    iterations: await openIterations(grant, mission),
  };
  return { ok: true, scope: { mission: clear, agent, grant, refusal: null } };
}

function textsOf(
  record: Record<string, unknown>,
): Pick<Mission, 'title' | 'objective' | 'conceptMarkdown'> {
  const text = (name: string): string => (typeof record[name] === 'string' ? record[name] : '');
  return {
    title: text('title'),
    objective: text('objective'),
    conceptMarkdown: text('conceptMarkdown'),
  };
}

/** An iteration that does not open stays ciphertext, which no prompt shows. */
async function openIterations(
  { missionKeys }: OpenGrant,
  { id, iterations }: Mission,
): Promise<unknown[]> {
  return Promise.all(
    markVaultFailures(iterations).map(async (iteration) => {
      if (!isRecord(iteration)) return iteration;
      const opened = await openIteration({ keys: missionKeys, missionId: id, iteration });
      return opened.ok ? opened.iteration : iteration;
    }),
  );
}
