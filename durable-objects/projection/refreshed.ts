/**
 * What came of a refresh. `passing`: nothing is wrong with this user's log, PostgreSQL cannot be
 * reached.
 */
export type Refreshed =
  | { ok: true; nextDueMs: number | null }
  | { ok: false; code: string; message: string; passing: boolean };

/** The answer if a user's own log, or their object, is the trouble. */
export const UNREADABLE_LOG: Refreshed & { ok: false } = {
  ok: false,
  code: 'USER_LOG_UNREADABLE',
  message: 'the log of a user could not be read',
  passing: false,
};
