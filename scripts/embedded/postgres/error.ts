export type EmbeddedPostgresErrorCode =
  | 'DATA_VERSION'
  | 'ALREADY_RUNNING'
  | 'PORT_IN_USE'
  | 'PASSWORD_MISSING'
  | 'ACCOUNT_MISSING'
  | 'UNSUPPORTED_PLATFORM'
  | 'START_FAILED';

/** A database that could not be started; the message is one line. */
export class EmbeddedPostgresError extends Error {
  readonly code: EmbeddedPostgresErrorCode;

  constructor(code: EmbeddedPostgresErrorCode, message: string) {
    super(message);
    this.name = 'EmbeddedPostgresError';
    this.code = code;
  }
}

/** The innermost wording of a Node error code, or undefined. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}
