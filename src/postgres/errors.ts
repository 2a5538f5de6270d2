export type PostgresErrorCode =
  | 'POSTGRES_UNAVAILABLE'
  | 'POSTGRES_BUSY'
  | 'POSTGRES_TIMEOUT'
  | 'POSTGRES_READ_ONLY'
  | 'POSTGRES_REFUSED';

/**
 * A failure of Postgres as plain data: it crosses object boundaries, where Error classes do not.
 */
export type PostgresFailure = { code: PostgresErrorCode; message: string; sqlState?: string };

/**
 * A failed transaction. Its message never holds statement values, user data or connection details.
 */
export class PostgresError extends Error {
  override name = 'PostgresError';
  readonly code: PostgresErrorCode;
  readonly sqlState: string | undefined;
  constructor(failure: PostgresFailure) {
    super(failure.message);
    this.code = failure.code;
    this.sqlState = failure.sqlState;
  }
}

const SENTENCES: Record<PostgresErrorCode, string> = {
  POSTGRES_UNAVAILABLE:
    'Postgres cannot be reached; check that it runs and that DATABASE_URL names it',
  POSTGRES_BUSY: 'no Postgres connection became free in time; the statements were not sent',
  POSTGRES_TIMEOUT: 'Postgres did not answer in time; the connection was given up',
  POSTGRES_READ_ONLY: 'Postgres is read-only; a failover may be under way, or its disk is full',
  POSTGRES_REFUSED:
    'Postgres refused a statement; run `npm run migrate`, then look up the SQLSTATE',
};

export function postgresFailure(code: PostgresErrorCode, sqlState?: string): PostgresFailure {
  const message =
    sqlState === undefined ? SENTENCES[code] : `${SENTENCES[code]} (SQLSTATE ${sqlState})`;
  return sqlState === undefined ? { code, message } : { code, message, sqlState };
}

/**
 * Sorts what the driver threw by what the caller can do about it. Classes of SQLSTATE: PostgreSQL
 * manual, appendix A (08 connection, 53 resources, 57P server going away, 25006 read-only, 53100
 * disk full: reading goes on).
 */
export function classifyDriverError(thrown: unknown): PostgresFailure {
  if (thrown instanceof PostgresError) {
    return postgresFailure(thrown.code, thrown.sqlState);
  }
  const sqlState = sqlStateOf(thrown);
  if (sqlState === undefined) return postgresFailure('POSTGRES_UNAVAILABLE');
  if (sqlState === '25006' || sqlState === '53100')
    return postgresFailure('POSTGRES_READ_ONLY', sqlState);
  if (sqlState === '57014') return postgresFailure('POSTGRES_TIMEOUT', sqlState);
  if (/^(08|53|57P|28|3D)/.test(sqlState)) return postgresFailure('POSTGRES_UNAVAILABLE', sqlState);
  return postgresFailure('POSTGRES_REFUSED', sqlState);
}

/**
 * True if PostgreSQL serves nobody at the moment. If it refused one statement, or cut one off for
 * its length, it is alive, and only the caller of that statement is affected.
 */
export function isOutage({
  code,
  sqlState,
}: Pick<PostgresFailure, 'code'> & { sqlState?: string | undefined }): boolean {
  return code !== 'POSTGRES_REFUSED' && !(code === 'POSTGRES_TIMEOUT' && sqlState !== undefined);
}

/**
 * True where it is what was sent that Postgres does not take (22 data, 23 constraints, 54 limits):
 * the same again is refused again.
 */
export function isOfTheData({ sqlState }: { sqlState?: string | undefined }): boolean {
  return /^(22|23|54)/.test(sqlState ?? '');
}

function sqlStateOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' && /^[0-9A-Z]{5}$/.test(thrown.code)
    ? thrown.code
    : undefined;
}
