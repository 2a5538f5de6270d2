/** How a user's turn ended. */
export type TurnReport = {
  userId: string;
  /** when this user's next mission is due or ready again, in ms; null if there is none */
  nextDueMs: number | null;
  turn: 'nothing-due' | 'planned' | 'failed' | 'postponed';
  plansProduced: number;
  plansWrittenBack: number;
  parseFailures: number;
  error: string | null;
  /** set if PostgreSQL could serve nobody: the turn was a test of PostgreSQL, and it failed */
  postgresOutage?: { code: string; message: string };
};
