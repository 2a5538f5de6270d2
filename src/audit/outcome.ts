import type { GrantReason } from '../grants/errors.ts';
import type { OutcomeStatus } from './row.ts';

/** How the audit calls what became of an attempt; null: the record was opened. */
export function outcomeStatus(reason: GrantReason | null): OutcomeStatus {
  if (reason === null) return 'ok';
  return reason === 'not-covered' ? 'scope-violation' : 'failed';
}
