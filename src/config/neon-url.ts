/**
 * Whether a database is Neon's, which is reached through the driver's own transport; every other
 * PostgreSQL is reached over TCP. `databaseUrl` must be a URL.
 */
export function isNeonUrl(databaseUrl: string): boolean {
  return /\.neon\.(tech|build)$/i.test(new URL(databaseUrl).hostname);
}
