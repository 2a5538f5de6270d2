import { type Findings, researchQuery } from '../../src/planner/research.ts';
import { type RecordState, register } from '../../src/sync/merge.ts';
import type { ResearchJobs } from './research-jobs.ts';
import type { RunScope } from './scope.ts';

/**
 * The research of a run. `note` tells the person why there is none although the objective asks for
 * it.
 */
export type RunFindings =
  | { kind: 'none' }
  | { kind: 'ready'; findings: Findings }
  | { kind: 'failed'; note: string }
  | { kind: 'pending'; untilMs: number };

const FAILED =
  'The research that the objective asks for could not be done; this plan was made without it.';
const LOCAL_ONLY = 'Nothing was looked up on the web, because the grant is for local models alone.';

/**
 * Takes the research that a mission's objective asks for one step further. `jobs` null: no endpoint
 * is configured.
 */
export async function researchFor(
  jobs: ResearchJobs | null,
  run: { scope: RunScope; state: RecordState; runId: string; nowMs: number },
): Promise<RunFindings> {
  const { mission, grant } = run.scope;
  const query = jobs === null ? null : researchQuery(mission.objective);
  if (jobs === null || query === null) return { kind: 'none' };
  // What must not reach a remote model must not reach the web either.
  if (grant?.claims.llm === 'local') return { kind: 'failed', note: LOCAL_ONLY };
  const written = register(run.state, 'objective');
  // Findings of another objective, or of what another grant let the runner read, are none of this run.
  const objectiveKey = [written?.stampUs, written?.rowId, grant?.claims.jti].join(' ');
  const step = await jobs.advance({
    missionId: mission.id,
    runId: run.runId,
    objectiveKey,
    query,
    nowMs: run.nowMs,
  });
  return step.kind === 'failed' ? { kind: 'failed', note: FAILED } : step;
}
