/** `npm run token -- USER`: a user token, where this installation signs them itself. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isUserId } from '../src/http/user-id.ts';
import { parseManaAuthConfig } from '../src/config/mana-auth.ts';
import { checkedConfig } from './process/checked-config.ts';
import { runOnce } from './process/command.ts';
import { signUserToken } from './embedded/embedded-secrets.ts';
import { type Environment, readEnvironment, StartError } from './process/environment.ts';
import { withKeysOfStart } from './embedded/own-database.ts';

const USAGE = `npm run --silent token -- USER

  USER   the user id: of a person always the same`;

/**
 * A token of that user, valid for 30 days, signed by the first key of MANA_AUTH_ISSUER_KEY_PEM.
 * @throws StartError if another service signs user tokens, or no service does
 */
export async function userToken(environment: Environment, userId: string): Promise<string> {
  const { userTokens } = checkedConfig(environment);
  const parsed = parseManaAuthConfig(environment);
  const [issuerKey] = parsed.ok ? parsed.config.issuerKeys : [];
  if (issuerKey !== undefined) return signUserToken(pemOf(issuerKey), { userId, ...userTokens });
  throw new StartError(
    environment['MANA_JWKS_URL']
      ? 'MANA_JWKS_URL names who signs user tokens here: take one from there'
      : 'MANA_AUTH_ISSUER_KEY_PEM is not set, so nobody signs user tokens here: run `npm run keys -- --issuer`, and restart',
  );
}

function pemOf(der: Uint8Array): string {
  return `-----BEGIN PRIVATE KEY-----\n${Buffer.from(der).toString('base64')}\n-----END PRIVATE KEY-----\n`;
}

async function main(): Promise<void> {
  const [userId, ...more] = process.argv.slice(2);
  if (!isUserId(userId) || userId.startsWith('--') || more.length > 0) throw new StartError(USAGE);
  const given = readEnvironment();
  console.log(
    await userToken(withKeysOfStart(given, resolve(checkedConfig(given).dataDir)), userId),
  );
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  await runOnce('token', main);
