import type { Context } from 'hono';

/** Every refusal's code with its status, of both Workers. */
const STATUS = {
  BAD_REQUEST: 400,
  PASSKEY_REFUSED: 400,
  RECOVERY_WRAP_MISSING: 400,
  LINK_INVALID: 401,
  PASSKEY_INVALID: 401,
  MUST_BE_SEALED: 400,
  UNAUTHENTICATED: 401,
  NOT_FOUND: 404,
  AGENT_NOT_FOUND: 404,
  MISSION_NOT_FOUND: 404,
  ITERATION_NOT_FOUND: 404,
  STEP_NOT_FOUND: 404,
  VAULT_NOT_INITIALISED: 404,
  PASSKEYS_UNAVAILABLE: 409,
  PASSKEY_NOT_KEPT: 409,
  MISSION_EXISTS: 409,
  MISSION_NOT_ACTIVE: 409,
  STEP_CHANGED: 409,
  STEP_DECIDED: 409,
  ZK_ACTIVE: 409,
  ZK_ROTATE_FORBIDDEN: 409,
  RECORD_CHANGED: 409,
  BODY_TOO_LARGE: 413,
  RATE_LIMITED: 429,
  TOO_MANY_STREAMS: 429,
  INTERNAL: 500,
  VAULT_UNREADABLE: 500,
  CONFIG_INVALID: 503,
  DRAINING: 503,
  GRANT_NOT_CONFIGURED: 503,
  ISSUER_NOT_CONFIGURED: 503,
  KEY_SET_UNAVAILABLE: 503,
  POSTGRES_UNAVAILABLE: 503,
  SERVICE_KEY_NOT_CONFIGURED: 503,
} as const;

export type ErrorCode = keyof typeof STATUS;

/** The one form of an error: a sentence for people, a code for programs, and what a code says it brings besides. */
export function refuse(
  c: Context,
  code: ErrorCode,
  error: string,
  more: Readonly<Record<string, unknown>> = {},
): Response {
  return c.json({ ...more, error, code }, STATUS[code]);
}
