import type { Context } from 'hono';
import { refuse } from './http-errors.ts';
import { isUserId } from './user-id.ts';

/**
 * The id that a path parameter holds, or null where it can be none. Hono passes escapes that are no
 * UTF-8 on as they stand, so that `%FF` would name the same thing as `%25FF`: such a path has no
 * ids.
 */
export function pathId(c: Context, name: string): string | null {
  const id = c.req.param(name);
  return isUserId(id) && isDecodable(new URL(c.req.url).pathname) ? id : null;
}

/** Refuses a path whose parameter can be no id. */
export function refusePathId(c: Context, name: string): Response {
  const sentence = `${name} must be 1 to 256 characters without control characters.`;
  return refuse(c, 'BAD_REQUEST', sentence);
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
