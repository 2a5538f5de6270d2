import type { PlanState } from '../src/planner/loop.ts';
import type { Register } from '../src/sync/merge.ts';
import type { RunIdentity } from '../src/sync/write-back.ts';

/** What a run needs to go on after a crash, stored before each next step. `plan` is null for a run that ends as failed. */
export type Checkpoint = {
  identity: RunIdentity;
  due: Register;
  startedMs: number;
  finishedMs: number | null;
  plan: PlanState | null;
  failure: { name: string; message: string } | null;
};
