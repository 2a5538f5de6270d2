import { checkpointPath, decryptField, encryptField, missionRef } from '../src/grants/index.ts';
import type { PlanState } from '../src/planner/loop.ts';
import type { Register } from '../src/sync/merge.ts';
import type { RunIdentity } from '../src/sync/write-back.ts';
import type { OpenGrant } from './grant-access.ts';
import type { MissionStore, StoredRun } from './mission-store.ts';
import { writingVersion } from './run-scope.ts';

/** What a run needs to go on after a crash, stored before each next step. `plan` is null for a run that ends as failed. */
export type Checkpoint = {
  identity: RunIdentity;
  due: Register;
  startedMs: number;
  finishedMs: number | null;
  plan: PlanState | null;
  failure: { name: string; message: string } | null;
};

/** A plan as it is stored: in the clear, or as ciphertext under the mission's record key. */
type StoredPlan = { kind: 'clear'; plan: PlanState | null } | { kind: 'sealed'; round: number; text: string };
type StoredCheckpoint = Omit<Checkpoint, 'plan'> & { plan: StoredPlan };

/** Stores the checkpoint in place of the run's earlier one. Under a grant nothing that was decrypted is stored in the clear. */
export async function saveCheckpoint(
  store: MissionStore,
  missionId: string,
  checkpoint: Checkpoint,
  grant: OpenGrant | null,
): Promise<void> {
  const { plan, identity } = checkpoint;
  const stored: StoredPlan =
    grant === null || plan === null
      ? { kind: 'clear', plan }
      : { kind: 'sealed', round: plan.round, text: await seal(plan, identity.runId, grant, missionId) };
  const body: StoredCheckpoint = { ...checkpoint, plan: stored };
  store.saveRun({ runId: identity.runId, missionId, body: JSON.stringify(body) });
}

/** The stored checkpoint; null where its plan does not open (any more): then the run begins anew. */
export async function openStoredCheckpoint(stored: StoredRun, grant: OpenGrant | null): Promise<Checkpoint | null> {
  const { plan, ...rest } = JSON.parse(stored.body) as StoredCheckpoint;
  // A plan that began without a grant has none of its rules: which links may leave, for one.
  if (plan.kind === 'clear') return plan.plan !== null && grant !== null ? null : { ...rest, plan: plan.plan };
  if (grant === null) return null;
  const opened = await decryptField({
    keys: grant.missionKeys,
    ref: missionRef(stored.missionId),
    path: checkpointPath(rest.identity.runId, plan.round),
    text: plan.text,
  });
  return opened.ok ? { ...rest, plan: opened.value as PlanState } : null;
}

async function seal(plan: PlanState, runId: string, grant: OpenGrant, missionId: string): Promise<string> {
  return encryptField({
    keys: grant.missionKeys,
    version: writingVersion(grant),
    ref: missionRef(missionId),
    path: checkpointPath(runId, plan.round),
    value: plan,
  });
}
