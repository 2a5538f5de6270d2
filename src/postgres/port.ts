/** One parameterised statement: `$1`, `$2`, … in `text`, their values in order. */
export type Statement = { text: string; values: readonly SqlValue[] };

export type SqlValue = string | number | boolean | null;

/** The roles that migrations/ creates: neither superuser nor BYPASSRLS (design: "Postgres"). */
export type DatabaseRole = 'mana_ai_runner' | 'mana_auth_service';

/**
 * Statements that succeed or fail together, run under `role` with `app.current_user_id` set for
 * this transaction only.
 */
export type TransactionRequest = {
  role: DatabaseRole;
  /** whose rows are visible; null for statements that touch no user's rows */
  userId: string | null;
  statements: readonly Statement[];
};

/**
 * Every column arrives as Postgres' own text or null, whatever transport is in use: callers select
 * the text form they want.
 */
export type Row = Readonly<Record<string, string | null>>;

/** What all rooms ask of Postgres. */
export interface Database {
  /**
   * Runs the statements in one transaction.
   * @returns the rows of each statement, in order
   * @throws PostgresError
   */
  transaction(request: TransactionRequest): Promise<readonly (readonly Row[])[]>;
}

/** Longest time one statement may take on the server, in milliseconds. */
const STATEMENT_TIMEOUT_MS = 15_000;

/**
 * The preamble of every transaction: role, user and the longest time of a statement hold until it
 * ends (PostgreSQL: set_config with is_local). A parameter of the connection's start would be
 * refused by poolers that do not know it.
 */
export function scopeStatement(request: TransactionRequest): Statement {
  return {
    text: `select set_config('statement_timeout', $3, true), set_config('role', $1, true), set_config('app.current_user_id', $2, true)`,
    values: [request.role, request.userId ?? '', String(STATEMENT_TIMEOUT_MS)],
  };
}
