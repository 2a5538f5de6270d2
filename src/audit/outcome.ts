import type { GrantReason } from '../grants/errors.ts';
import type { OutcomeStatus } from './row.ts';

/** The status of an outcome. `reason` is null if the record was opened. */
export function outcomeStatus(reason: GrantReason | null): OutcomeStatus {
  if (reason === null) return 'ok';
  return reason === 'not-covered' ? 'scope-violation' : 'failed';
}
