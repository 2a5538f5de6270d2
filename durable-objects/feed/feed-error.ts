import { isOutage, PostgresError } from '../../src/postgres/errors.ts';
import type { PostgresReport } from '../admission/outages.ts';

/**
 * A user's object could not reach PostgreSQL: the round of the feed ends and has to be repeated.
 */
export class FeedError extends Error {
  override name = 'FeedError';
  readonly code: string;
  constructor({ code, message }: { code: string; message: string }) {
    super(message);
    this.code = code;
  }
}

/**
 * What a round that ended with this failure (null: with none) shows of PostgreSQL; null if it shows
 * nothing.
 */
export function reportOf(failure: unknown): PostgresReport | null {
  if (failure === null) return { kind: 'readable' };
  if (failure instanceof FeedError || (failure instanceof PostgresError && isOutage(failure)))
    return { kind: 'outage', code: failure.code, message: failure.message };
  return null;
}

export function codeOf(thrown: unknown): string {
  return thrown instanceof PostgresError || thrown instanceof FeedError ? thrown.code : 'INTERNAL';
}
