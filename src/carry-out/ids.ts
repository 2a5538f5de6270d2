import { v5 } from 'uuid';

/**
 * The namespace of every id that is derived here. Never change it: steps would be carried out
 * twice.
 */
const NAMESPACE = '6f1c2a52-7a0e-4c0b-9f43-2d8be5a1c7d4';

/**
 * Id of the record that the n-th write of a step makes, from 0: whoever carries the step out makes
 * the same one.
 */
export function carriedRecordId(userId: string, stepId: string, n: number): string {
  return v5(JSON.stringify(['carry-out', userId, stepId, n]), NAMESPACE);
}

/** Id of the change row of the n-th write of a step, from 0: the log takes it once. */
export function carriedRowId(userId: string, stepId: string, n: number): string {
  return v5(JSON.stringify(['carry-out-row', userId, stepId, n]), NAMESPACE);
}

/** Id of a part inside a record that a step makes, an answer of a question for instance. */
export function carriedPartId(userId: string, stepId: string, part: string, n: number): string {
  return v5(JSON.stringify(['carry-out-part', userId, stepId, part, n]), NAMESPACE);
}
