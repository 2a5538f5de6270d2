import type { Context } from 'hono';

/** Every refusal's code with its status. */
const STATUS = {
  BAD_REQUEST: 400,
  UNAUTHENTICATED: 401,
  NOT_FOUND: 404,
  BODY_TOO_LARGE: 413,
  INTERNAL: 500,
  CONFIG_INVALID: 503,
  GRANT_NOT_CONFIGURED: 503,
  KEY_SET_UNAVAILABLE: 503,
  POSTGRES_UNAVAILABLE: 503,
  SERVICE_KEY_NOT_CONFIGURED: 503,
} as const;

export type ErrorCode = keyof typeof STATUS;

/** The one form of an error: a sentence for people, a code for programs. */
export function refuse(c: Context, code: ErrorCode, error: string): Response {
  return c.json({ error, code }, STATUS[code]);
}
