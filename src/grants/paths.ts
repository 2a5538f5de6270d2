import { GrantsError } from './errors.ts';
import { isCleanText, isRecordName } from './names.ts';

/**
 * Where a value stands in its record. The path is authenticated, so ciphertext that was moved does
 * not open. Parts of a path hold no slash; otherwise an iteration could get a name that gives its
 * summary the path of another iteration's step.
 */

export type StepField = 'summary' | 'rationale' | 'params' | 'body';

/** A top-level field. Null for a name that no path may hold. */
export function fieldPath(name: string): string | null {
  return isPathPart(name) ? name : null;
}

/** An iteration's summary. */
export function iterationPath(iterationId: unknown): string | null {
  return isPathPart(iterationId) ? `iterations/${iterationId}/summary` : null;
}

/** A field of a plan's step. */
export function stepPath(iterationId: unknown, stepId: unknown, field: StepField): string | null {
  if (!isPathPart(iterationId) || !isPathPart(stepId)) return null;
  return `iterations/${iterationId}/plan/${stepId}/${field}`;
}

/**
 * A checkpoint of a run, kept under the mission's record key.
 * @param round counted from 0
 * @throws GrantsError NAME_REFUSED
 */
export function checkpointPath(runId: string, round: number): string {
  if (!isPathPart(runId) || !Number.isSafeInteger(round) || round < 0)
    throw new GrantsError('NAME_REFUSED', 'a run id or a round is not allowed in a path');
  return `checkpoint/${runId}/${round}`;
}

/** Whether a text may stand in the additional data as a path. */
export function isPath(text: string): boolean {
  return isCleanText(text);
}

function isPathPart(text: unknown): text is string {
  return isRecordName(text) && !text.includes('/');
}
