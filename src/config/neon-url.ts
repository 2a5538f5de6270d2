/** Neon is reached through the driver's own transport, every other Postgres over TCP. `databaseUrl` must be a URL. */
export function isNeonUrl(databaseUrl: string): boolean {
  return /\.neon\.(tech|build)$/i.test(new URL(databaseUrl).hostname);
}
