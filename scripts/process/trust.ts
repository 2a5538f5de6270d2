import { mkdirSync, writeFileSync } from 'node:fs';

/**
 * PEM certificates: `authorities` for everything that is called by URL, `postgres` for PostgreSQL.
 */
export type Trust = { authorities: readonly string[]; postgres: readonly string[] };

/**
 * Writes what workerd.capnp imports as `/mana/trust.capnp`.
 * @returns the folder for workerd's `--import-path`
 */
export function writeTrust(dataDir: string, { authorities, postgres }: Trust): string {
  const folder = `${dataDir}/workerd`;
  mkdirSync(`${folder}/mana`, { recursive: true, mode: 0o700 });
  const text = [
    '@0xb6a0d0c7f1a3e5d9;',
    `const authorities :List(Text) = ${list(authorities)};`,
    `const postgres :List(Text) = ${list(postgres)};`,
    '',
  ].join('\n');
  writeFileSync(`${folder}/mana/trust.capnp`, text, { mode: 0o600 });
  return folder;
}

/**
 * A PEM text has no sign that capnp would have to escape but the end of a line, as JSON writes it.
 */
function list(certificates: readonly string[]): string {
  return `[${certificates.map((pem) => JSON.stringify(pem.replaceAll('\r', ''))).join(', ')}]`;
}
