const LONGEST_USER_ID = 256;

/**
 * A user id is 1 to 256 code units of well-formed Unicode without control characters; it is never
 * normalised.
 */
export function isUserId(text: unknown): text is string {
  if (typeof text !== 'string' || text.length === 0 || text.length > LONGEST_USER_ID) return false;
  return text.isWellFormed() && !/\p{Cc}/u.test(text);
}
