import { describe, expect, test } from 'vitest';
import type { OpenGrant } from '../../../../durable-objects/opening/grant-access.ts';
import type {
  MissionStore,
  StoredRun,
} from '../../../../durable-objects/projection/mission-store.ts';
import {
  type Checkpoint,
  openStoredCheckpoint,
  saveCheckpoint,
} from '../../../../durable-objects/run/checkpoint.ts';
import { importRecordKey } from '../../../../src/grants/index.ts';
import { startPlan } from '../../../../src/planner/plan.ts';

const keys = new Map([[1, await importRecordKey(crypto.getRandomValues(new Uint8Array(32)))]]);
const grant = { claims: { mission: 'm' }, missionKeys: keys } as unknown as OpenGrant;
const checkpoint: Checkpoint = {
  identity: { runId: 'r', iterationId: 'i', rowId: 'w' },
  due: { value: '2026-01-01T00:00:00Z', stampUs: 1, createdUs: 1, rowId: 'd' },
  startedMs: 1,
  finishedMs: null,
  plan: startPlan({ system: 's', user: 'The heron nests here' }),
  answer: null,
  failure: null,
  basis: { terms: 'heron-terms', records: {} },
};

async function stored(of: OpenGrant | null, changes: Partial<Checkpoint> = {}): Promise<StoredRun> {
  const runs: StoredRun[] = [];
  const store = { saveRun: (run: StoredRun) => runs.push(run) } as unknown as MissionStore;
  await saveCheckpoint(store, 'm', { ...checkpoint, ...changes }, of);
  const [run] = runs;
  if (run === undefined) throw new Error('nothing was stored');
  return run;
}

describe('a checkpoint', () => {
  test('of a run under a grant is ciphertext, and opens under its keys alone', async () => {
    const run = await stored(grant);
    expect(run.body).not.toContain('heron');
    expect(await openStoredCheckpoint(run, grant)).toEqual(checkpoint);
    expect(await openStoredCheckpoint(run, null)).toBeNull();
    expect(await openStoredCheckpoint({ ...run, missionId: 'other' }, grant)).toBeNull();
  });

  test('of a run without one is not continued under a grant: its plan may hold any link', async () => {
    const run = await stored(null);
    expect(await openStoredCheckpoint(run, null)).toEqual(checkpoint);
    expect(await openStoredCheckpoint(run, grant)).toBeNull();
  });

  test('of a run that failed has no plan, and is written whatever the grant', async () => {
    const failure = { name: 'PlannerError', message: 'It failed.' };
    const run = await stored(null, { plan: null, failure });
    expect(await openStoredCheckpoint(run, grant)).toMatchObject({ plan: null, failure });
  });
});
