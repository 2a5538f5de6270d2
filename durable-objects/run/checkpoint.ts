import { checkpointPath, decryptField, encryptField, missionRef } from '../../src/grants/index.ts';
import { isRecord } from '../../src/values/fields.ts';
import type { LlmAnswer } from '../../src/planner/chat.ts';
import type { PlanState } from '../../src/planner/plan.ts';
import { type RecordState, type Register, register } from '../../src/sync/merge.ts';
import type { RunIdentity } from '../../src/sync/write-back.ts';
import type { OpenGrant } from '../opening/grant-access.ts';
import type { MissionStore, StoredRun } from '../projection/mission-store.ts';
import type { RunBasis } from './basis.ts';
import { writingVersion } from './scope.ts';

/**
 * What a run needs to continue after a crash, stored before each next step. `plan` is null for a
 * run that ends as failed.
 */
export type Checkpoint = {
  identity: RunIdentity;
  due: Register;
  startedMs: number;
  finishedMs: number | null;
  plan: PlanState | null;
  /** the model's last answer, if it could not be put into the plan yet */
  answer: LlmAnswer | null;
  failure: { name: string; message: string } | null;
  /** what the plan rests on; null for a run that ends as failed, which holds nothing of the person's */
  basis: RunBasis | null;
};

/**
 * The register that made a mission due. @throws Error for a mission without nextRunAt, which is
 * never due
 */
export function dueRegister(state: RecordState): Register {
  const due = register(state, 'nextRunAt');
  if (due === null) throw new Error('a mission without nextRunAt cannot be due');
  return due;
}

/** The checkpoint of a run that begins now. */
export function newCheckpoint(identity: RunIdentity, state: RecordState): Checkpoint {
  return {
    identity,
    due: dueRegister(state),
    startedMs: Date.now(),
    finishedMs: null,
    plan: null,
    answer: null,
    failure: null,
    basis: null,
  };
}

/** What may hold the person's words. */
type Content = Pick<Checkpoint, 'plan' | 'answer' | 'basis'>;

/** The content as it is stored: in the clear, or as ciphertext under the mission's record key. */
type StoredContent =
  { kind: 'clear'; content: Content } | { kind: 'sealed'; round: number; text: string };
type StoredCheckpoint = Omit<Checkpoint, keyof Content> & { content: StoredContent };

/**
 * Stores the checkpoint in place of the run's earlier one. Under a grant nothing that was decrypted
 * is stored in the clear.
 */
export async function saveCheckpoint(
  store: MissionStore,
  missionId: string,
  checkpoint: Checkpoint,
  grant: OpenGrant | null,
): Promise<void> {
  const { plan, answer, basis, ...rest } = checkpoint;
  const { runId } = rest.identity;
  const content: StoredContent =
    grant === null || plan === null
      ? { kind: 'clear', content: { plan, answer, basis } }
      : {
          kind: 'sealed',
          round: plan.round,
          text: await seal({ plan, answer, basis }, checkpointPath(runId, plan.round), grant),
        };
  const body: StoredCheckpoint = { ...rest, content };
  store.saveRun({ runId, missionId, body: JSON.stringify(body) });
}

/** Whether the stored plan is finished and only has to be written. */
export function isFinishedPlan({ body }: StoredRun): boolean {
  const { finishedMs, failure } = JSON.parse(body) as StoredCheckpoint;
  return finishedMs !== null && failure === null;
}

/**
 * The stored checkpoint; null if its plan does not open (any more), and then the run begins anew.
 */
export async function openStoredCheckpoint(
  stored: StoredRun,
  grant: OpenGrant | null,
): Promise<Checkpoint | null> {
  const { content, ...rest } = JSON.parse(stored.body) as StoredCheckpoint;
  // An older build stored it in another form; its plan begins anew.
  if (!isRecord(content)) return null;
  // A plan that began without a grant lacks the grant's rules, such as which links may leave.
  if (content.kind === 'clear')
    return content.content.plan !== null && grant !== null
      ? null
      : withBasis({ ...rest, ...content.content });
  if (grant === null) return null;
  const opened = await decryptField({
    keys: grant.missionKeys,
    ref: missionRef(stored.missionId),
    path: checkpointPath(rest.identity.runId, content.round),
    text: content.text,
  });
  return opened.ok ? withBasis({ ...rest, ...(opened.value as Content) }) : null;
}

/** A plan of which nothing says what it rests on, one of an older build, begins anew. */
function withBasis(checkpoint: Checkpoint): Checkpoint | null {
  const basis = checkpoint.basis ?? null;
  return checkpoint.plan !== null && basis === null ? null : { ...checkpoint, basis };
}

async function seal(content: Content, path: string, grant: OpenGrant): Promise<string> {
  const { missionKeys: keys, claims } = grant;
  return encryptField({
    keys,
    version: writingVersion(grant),
    ref: missionRef(claims.mission),
    path,
    value: content,
  });
}
