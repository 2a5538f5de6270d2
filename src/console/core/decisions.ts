import { stepDigest } from '../../missions/step-digest.ts';
import { isRecord } from '../../values/fields.ts';
import { api, ApiError } from './api.ts';
import { carried, sealed } from './carrying.ts';
import { sealFeedback } from './feedback.ts';
import {
  isOpen,
  type Json,
  loadMissions,
  type Mission,
  missions,
  stepsOf,
  tookMission,
} from './missions.ts';
import { openPlan, sealStepField, versionOf } from './opening.ts';
import { change, kept } from './storage.ts';
import { Watched } from './store.ts';
import { keys } from './vault.ts';

export type Verdict = 'approve' | 'reject';

/** What an edit changed, as it is sent: sealed where the step is. */
export type Edit = { params?: unknown; body?: unknown; summary?: string };

/** A decision that was made and not sent. Its digest is of what the person saw then. */
export type Mark = {
  missionId: string;
  iterationId: string;
  stepId: string;
  decision: Verdict;
  digest: string;
  /** the stored step that was seen */
  step: Json;
  edit?: Edit;
};

/** Marks of one plan that are about to be sent, unless somebody takes them back. */
export type Batch = {
  id: string;
  missionId: string;
  iterationId: string;
  marks: Mark[];
  feedback?: string;
  sendAtMs: number;
};

/** What became of a decision, for the eyes. */
export type Outcome =
  | {
      kind: 'carried-out';
      stepId: string;
      did: string;
      refs: { module: string; table: string; id: string }[];
    }
  | { kind: 'approved-by-hand' | 'app-will' | 'rejected'; stepId: string }
  | { kind: 'changed'; stepId: string; missionId: string; iterationId: string; before: Json }
  | { kind: 'failed'; batch: Batch; problem: ApiError };

/** Time to take a decision back. */
export const UNDO_MS = 8_000;

export const marks = new Watched<ReadonlyMap<string, Mark>>(new Map());
export const batches = new Watched<readonly Batch[]>([]);
export const outcomes = new Watched<readonly Outcome[]>([]);

const TABS = new BroadcastChannel('mana-decisions');
TABS.addEventListener('message', () => void readKept());

/** Marks and batches that this browser keeps: of other tabs, and from before a crash. */
export async function loadDecisions(): Promise<void> {
  await readKept();
  for (const batch of batches.value) planSending(batch);
}

async function readKept(): Promise<void> {
  const [keptMarks = [], keptBatches = []] = await Promise.all([
    kept<Mark[]>('marks'),
    kept<Batch[]>('batches'),
  ]);
  marks.set(new Map(keptMarks.map((mark) => [keyOf(mark), mark])));
  batches.set(keptBatches);
}

export function keyOf({ iterationId, stepId }: Pick<Mark, 'iterationId' | 'stepId'>): string {
  return `${iterationId}\n${stepId}`;
}

async function keepMarks(edit: (marks: Map<string, Mark>) => void): Promise<void> {
  const next = new Map(marks.value);
  edit(next);
  // Shown before it is kept: who types fast must see what a key did.
  marks.set(next);
  await change<Mark[]>('marks', (present = []) => {
    const all = new Map(present.map((mark) => [keyOf(mark), mark]));
    edit(all);
    return [...all.values()];
  });
  TABS.postMessage('changed');
}

/** Marks a step as it stands now; the same mark again takes it off. */
export async function toggleMark(
  mission: Mission,
  iteration: Json,
  step: Json,
  decision: Verdict,
): Promise<void> {
  const place = { iterationId: String(iteration['id']), stepId: String(step['id']) };
  const present = marks.value.get(keyOf(place));
  if (present?.decision === decision && present.edit === undefined) {
    await keepMarks((all) => void all.delete(keyOf(place)));
    return;
  }
  const digest = await digestOf(step);
  await keepMarks(
    (all) =>
      void all.set(keyOf(place), { ...place, missionId: mission.id, decision, digest, step }),
  );
}

/** The server's digest is of the stored step, which is what this browser has. */
async function digestOf(step: Json): Promise<string> {
  return stepDigest(step);
}

export async function unmark(mark: Pick<Mark, 'iterationId' | 'stepId'>): Promise<void> {
  await keepMarks((all) => void all.delete(keyOf(mark)));
}

/** Approves a step as somebody changed it. */
export async function markEdited(
  mission: Mission,
  iteration: Json,
  step: Json,
  plain: { params?: Json; body?: string; summary?: string },
): Promise<void> {
  const place = { iterationId: String(iteration['id']), stepId: String(step['id']) };
  const version = versionOf(step);
  const where = { missionId: mission.id, ...place };
  const seal = async (field: 'params' | 'summary' | 'body', value: unknown): Promise<unknown> => {
    if (version === null) return value;
    const present = keys.value;
    if (!present) throw new Error('locked');
    return sealStepField(present, { ...where, field }, version, value);
  };
  const edit: Edit = {
    ...(plain.params === undefined ? {} : { params: await seal('params', plain.params) }),
    ...(plain.body === undefined ? {} : { body: await seal('body', plain.body) }),
    ...(plain.summary === undefined
      ? {}
      : { summary: String(await seal('summary', plain.summary)) }),
  };
  const digest = await digestOf(step);
  await keepMarks(
    (all) => void all.set(keyOf(place), { ...where, decision: 'approve', digest, step, edit }),
  );
}

/** Drops marks of steps that are not what they were when they were marked; answers those. */
export async function dropChangedMarks(): Promise<Mark[]> {
  const all = missions.value.value;
  if (all === undefined || marks.value.size === 0) return [];
  const changed: Mark[] = [];
  for (const mark of marks.value.values()) {
    const iteration = all.get(mark.missionId)?.iterations.find(({ id }) => id === mark.iterationId);
    const step =
      iteration === undefined ? undefined : stepsOf(iteration).find(({ id }) => id === mark.stepId);
    const same = step !== undefined && isOpen(step) && (await digestOf(step)) === mark.digest;
    if (!same) changed.push(mark);
  }
  if (changed.length === 0) return [];
  await keepMarks((present) => {
    for (const mark of changed) present.delete(keyOf(mark));
  });
  return changed;
}

/** Sends a plan's marks, after a moment in which they can be taken back. */
export async function send(
  missionId: string,
  iterationId: string,
  feedback: string,
): Promise<void> {
  const own = [...marks.value.values()].filter((mark) => mark.iterationId === iterationId);
  if (own.length === 0 && feedback === '') return;
  const batch: Batch = {
    id: crypto.randomUUID(),
    missionId,
    iterationId,
    marks: own,
    ...(feedback === ''
      ? {}
      : { feedback: await sealedFeedback(missionId, iterationId, feedback) }),
    sendAtMs: Date.now() + UNDO_MS,
  };
  await keepBatches((all) => [...all, batch]);
  await keepMarks((all) => {
    for (const mark of own) all.delete(keyOf(mark));
  });
  planSending(batch);
}

/** A comment on a sealed plan is sealed as the plan is. */
async function sealedFeedback(
  missionId: string,
  iterationId: string,
  feedback: string,
): Promise<string> {
  const iteration = missions.value.value
    ?.get(missionId)
    ?.iterations.find(({ id }) => id === iterationId);
  const version = iteration === undefined ? null : versionOf(iteration);
  const present = keys.value;
  if (version === null || !present) return feedback;
  return sealFeedback(present, { missionId, iterationId }, version, feedback);
}

async function keepBatches(edit: (batches: readonly Batch[]) => Batch[]): Promise<void> {
  batches.set(await change<Batch[]>('batches', (present = []) => edit(present)));
  TABS.postMessage('changed');
}

/** Takes back what has not been sent; the marks are there again. */
export async function undo(): Promise<boolean> {
  const batch = batches.value.at(-1);
  if (batch === undefined) return false;
  await keepBatches((all) => all.filter(({ id }) => id !== batch.id));
  await keepMarks((all) => {
    for (const mark of batch.marks) all.set(keyOf(mark), mark);
  });
  return true;
}

const planned = new Set<string>();

function planSending(batch: Batch): void {
  if (planned.has(batch.id)) return;
  planned.add(batch.id);
  setTimeout(() => void sendNow(batch.id), Math.max(0, batch.sendAtMs - Date.now()));
}

/** One tab sends a batch; the others find it gone. */
export async function sendNow(id: string): Promise<void> {
  await navigator.locks.request('mana-send', async () => {
    const batch = ((await kept<Batch[]>('batches')) ?? []).find((one) => one.id === id);
    if (batch === undefined) return;
    try {
      await sendBatch(batch);
      await keepBatches((all) => all.filter((one) => one.id !== id));
    } catch (thrown) {
      if (!(thrown instanceof ApiError)) throw thrown;
      await failedToSend(batch, thrown);
    } finally {
      planned.delete(id);
    }
  });
}

/** What a server could not answer now is tried again; what it refused comes back as marks, but for the step that has changed. */
async function failedToSend(batch: Batch, problem: ApiError): Promise<void> {
  if (problem.status === 0 || problem.status === 429 || problem.status >= 500) {
    const waitMs = Math.max(5_000, problem.retryAfterMs ?? 0);
    const again = { ...batch, sendAtMs: Date.now() + waitMs };
    await keepBatches((all) => all.map((one) => (one.id === batch.id ? again : one)));
    planned.delete(batch.id);
    planSending(again);
    return;
  }
  if (problem.status === 401) return;
  await keepBatches((all) => all.filter(({ id }) => id !== batch.id));
  const changed = await changedSteps(batch);
  await keepMarks((all) => {
    for (const mark of batch.marks)
      if (!changed.some(({ stepId }) => stepId === mark.stepId)) all.set(keyOf(mark), mark);
  });
  tell(...(changed.length > 0 ? changed : [{ kind: 'failed', batch, problem } as const]));
}

async function changedSteps(batch: Batch): Promise<Extract<Outcome, { kind: 'changed' }>[]> {
  await loadMissions();
  const found = await Promise.all(
    batch.marks.map(async (mark) => {
      const now = storedStep(mark);
      const same = now !== null && isOpen(now) && (await digestOf(now)) === mark.digest;
      if (same) return [];
      const { missionId, iterationId, stepId, step: before } = mark;
      return [{ kind: 'changed' as const, missionId, iterationId, stepId, before }];
    }),
  );
  return found.flat();
}

function storedStep({ missionId, iterationId, stepId }: Mark): Json | null {
  const iteration = missions.value.value
    ?.get(missionId)
    ?.iterations.find(({ id }) => id === iterationId);
  if (iteration === undefined) return null;
  return stepsOf(iteration).find(({ id }) => id === stepId) ?? null;
}

type Prepared = { decision: Record<string, unknown>; outcome: Outcome };

async function sendBatch(batch: Batch): Promise<void> {
  const prepared = await Promise.all(batch.marks.map(prepare));
  const path = `/api/v1/me/missions/${encodeURIComponent(batch.missionId)}/iterations/${encodeURIComponent(batch.iterationId)}/review`;
  const body = {
    decisions: prepared.map(({ decision }) => decision),
    ...(batch.feedback === undefined ? {} : { feedback: batch.feedback }),
  };
  const { mission } = await api<{ mission?: Mission }>(path, {
    method: 'POST',
    body,
    key: batch.id,
  });
  if (mission !== undefined) tookMission(mission);
  tell(...prepared.map(({ outcome }) => outcome));
}

async function prepare(mark: Mark): Promise<Prepared> {
  const { stepId, digest, decision, edit } = mark;
  const sent = { stepId, digest, decision, ...(edit === undefined ? {} : { edit }) };
  if (decision === 'reject') return { decision: sent, outcome: { kind: 'rejected', stepId } };
  const step = await openedStep(mark);
  const intent = isRecord(step?.['intent']) ? step['intent'] : {};
  if (step === null || intent['kind'] !== 'toolCall')
    return { decision: sent, outcome: { kind: 'approved-by-hand', stepId } };
  const call = {
    toolName: String(intent['toolName']),
    params: isRecord(intent['params']) ? intent['params'] : {},
  };
  const present = keys.value ?? null;
  const result = await carried({
    call,
    userId: person.value,
    stepId,
    agentId: missions.value.value?.get(mark.missionId)?.agentId ?? null,
    keys: present,
  });
  if (!result.ok) {
    const kind = result.code === 'APP_ONLY' ? 'app-will' : 'approved-by-hand';
    if (result.code === 'APP_ONLY' || result.code === 'UNKNOWN_TOOL')
      return { decision: sent, outcome: { kind, stepId } };
    throw new ApiError(409, { code: result.code, error: result.problem }, null);
  }
  const refs = result.writes.map(({ appId, table, recordId }) => ({
    module: appId,
    table,
    id: recordId,
  }));
  return {
    decision: { ...sent, writes: await sealed(result, present) },
    outcome: { kind: 'carried-out', stepId, did: result.did, refs },
  };
}

/** The step opened, with what an edit changed. */
async function openedStep(mark: Mark): Promise<Json | null> {
  const iteration = missions.value.value
    ?.get(mark.missionId)
    ?.iterations.find(({ id }) => id === mark.iterationId);
  const stored = storedStep(mark);
  if (iteration === undefined || stored === null) return null;
  const edited = mark.edit === undefined ? stored : withEdit(stored, mark.edit);
  const plan = stepsOf(iteration).map((step) => (step['id'] === mark.stepId ? edited : step));
  const opened = await openPlan(keys.value ?? null, mark.missionId, {
    ...iteration,
    plan,
  });
  return opened.opened
    ? (stepsOf(opened.iteration).find(({ id }) => id === mark.stepId) ?? null)
    : null;
}

export function withEdit(step: Json, { params, body, summary }: Edit): Json {
  const intent = isRecord(step['intent']) ? step['intent'] : {};
  return {
    ...step,
    ...(summary === undefined ? {} : { summary }),
    intent: {
      ...intent,
      ...(params === undefined ? {} : { params }),
      ...(body === undefined ? {} : { body }),
    },
  };
}

/** Whose decisions these are. */
export const person = new Watched('');

function tell(...more: readonly Outcome[]): void {
  outcomes.update((before) => [...before, ...more].slice(-50));
}

export function forgetOutcomes(): void {
  outcomes.set([]);
}
