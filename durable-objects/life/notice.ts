/** Something that an operator should know, for /health and the log. `since`: ISO 8601. */
export type Notice = { code: string; message: string; since: string };
