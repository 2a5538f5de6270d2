/** `npm run keys`: makes every key that the two Workers need and writes them into `.env`. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chown, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'dotenv';
import { type PemKind, readPemKeys, parsePem } from '../src/grants/pem.ts';

export type KeysErrorCode = 'KEYS_EXIST' | 'KEY_UNREADABLE' | 'UNKNOWN_ARGUMENT' | 'FILE_FAILED';

/** Keys that were not written; the file is as it was. The message is one line and holds no key. */
export class KeysError extends Error {
  override name = 'KeysError';
  readonly code: KeysErrorCode;

  constructor(code: KeysErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Names of variables, in the order of the file. */
export type KeysReport = {
  /** have a new first key */
  written: string[];
  /** the old keys stand behind the new one */
  keptOld: string[];
  /** an RSA key was taken out */
  droppedRsa: string[];
  /** left as it was: it has no place for a second key */
  unchanged: string[];
};

/** A variable's new value from its old one; '' stands for unset. */
type Renewed = { value: string; keptOld?: boolean; droppedRsa?: boolean; unchanged?: boolean };

const PEM_KINDS: Readonly<Record<string, PemKind>> = {
  MANA_AI_PRIVATE_KEY_PEM: 'x25519-private',
  MANA_AI_PUBLIC_KEY_PEM: 'x25519-public',
  MANA_GRANT_SIGNING_KEY_PEM: 'ed25519-private',
  MANA_AUTH_ISSUER_KEY_PEM: 'ed25519-private',
};

/** Only where no other service signs user tokens: with this key anybody can be any user. */
function makeIssuerKey(): Map<string, string> {
  const { privateKey } = generateKeyPairSync('ed25519');
  return new Map([
    ['MANA_AUTH_ISSUER_KEY_PEM', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
  ]);
}

/** New values for all other names, by name. */
function makeKeys(): Map<string, string> {
  const sealing = generateKeyPairSync('x25519');
  const signing = generateKeyPairSync('ed25519');
  return new Map([
    [
      'MANA_AI_PRIVATE_KEY_PEM',
      sealing.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
    [
      'MANA_AI_PUBLIC_KEY_PEM',
      sealing.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    ],
    [
      'MANA_GRANT_SIGNING_KEY_PEM',
      signing.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
    ['MANA_AUTH_KEK', randomBytes(32).toString('base64')],
    ['MANA_SERVICE_KEY', randomBytes(32).toString('base64url')],
  ]);
}

/** Puts the new key before the old ones, so that what the old ones made still opens. */
function renew(name: string, fresh: string, old: string): Renewed {
  if (old.trim() === '') return { value: fresh };
  const kind = PEM_KINDS[name];
  if (kind !== undefined) return renewPem(name, kind, fresh, old);
  // Several service keys are not possible: a new one would lock out every caller at once.
  if (name === 'MANA_SERVICE_KEY') return { value: old, unchanged: true };
  const keys = old.split(',').map((key) => key.trim());
  if (!keys.every(is32Bytes)) throw unreadable(name);
  return { value: [fresh, ...keys].join(','), keptOld: true };
}

function is32Bytes(key: string): boolean {
  return /^[A-Za-z0-9+/]{43}=$/.test(key);
}

function renewPem(name: string, kind: PemKind, fresh: string, old: string): Renewed {
  const blocks = parsePem(old);
  if (blocks === null) throw unreadable(name);
  const kept: string[] = [];
  let droppedRsa = false;
  for (const { label, der } of blocks) {
    const pem = toPem(label, der);
    const read = readPemKeys(pem, kind);
    if (read.ok) kept.push(pem);
    else if (read.reason === 'rsa') droppedRsa = true;
    else throw unreadable(name);
  }
  return { value: [fresh, ...kept].join(''), keptOld: kept.length > 0, droppedRsa };
}

/** Lines of 64 characters (RFC 7468, section 2). */
function toPem(label: string, der: Uint8Array): string {
  const body = Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}

/**
 * The file stays as it is: without this key, what it sealed could be lost for good, and with it the
 * boot would stop.
 */
function unreadable(name: string): KeysError {
  return new KeysError(
    'KEY_UNREADABLE',
    `${name} holds something else than its keys: mend or remove it, then run again`,
  );
}

// ---- The file
// --------------------------------------------------------------------------------------------------

/** One assignment as dotenv reads it, quotes over several lines included. */
const ASSIGNMENT =
  /^[ \t]*(?:export[ \t]+)?([\w.-]+)(?:[ \t]*=|:[ \t]+)[ \t]*(?:'(?:\\'|[^'])*'|"(?:\\"|[^"])*"|`(?:\\`|[^`])*`|[^\r\n]*)[^\r\n]*(?:\r?\n|$)/gm;

/** One line that dotenv, compose and a shell read alike. */
function assignment(name: string, value: string): string {
  return `${name}="${value.trim().replaceAll('\n', '\\n')}"\n`;
}

/**
 * The text with each name set once, where it stood first, or at the end; everything else stays as
 * it is.
 */
function setAll(text: string, values: ReadonlyMap<string, string>): string {
  const left = new Map(values);
  const replaced = text.replaceAll(ASSIGNMENT, (whole, name: string) => {
    const value = values.get(name);
    if (value === undefined) return whole;
    return left.delete(name) ? assignment(name, value) : '';
  });
  const separator = replaced === '' || replaced.endsWith('\n') ? '' : '\n';
  return (
    replaced + separator + Array.from(left, ([name, value]) => assignment(name, value)).join('')
  );
}

/** The file's text, '' where there is none. */
async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

/**
 * Writes beside the file and moves it there: a crash leaves the old keys or the new ones. Only its
 * owner may read it.
 */
async function replaceFile(path: string, text: string): Promise<void> {
  // If `.env` is a link, the file that it points to is replaced.
  const target = await realpath(path).catch(() => path);
  const draft = `${target}.${randomBytes(4).toString('hex')}.new`;
  try {
    await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
    const before = await stat(target).catch(() => null);
    if (before !== null && process.getuid?.() === 0) await chown(draft, before.uid, before.gid);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** What `npm run keys` is told. */
export type KeysOptions = {
  /**
   * new keys come first and the old ones stay behind them; RSA keys go. Without it any key that is
   * set is a refusal.
   */
  replace: boolean;
  /** the key that signs user tokens, and none of the others */
  issuer?: boolean;
};

/**
 * Writes keys into an env file (dotenv syntax, mode 0600), other lines untouched.
 * @throws KeysError
 */
export async function writeKeys(path: string, options: KeysOptions): Promise<KeysReport> {
  try {
    const text = await readText(path);
    const old = parse(text);
    const fresh = options.issuer === true ? makeIssuerKey() : makeKeys();
    const present = [...fresh.keys()].filter((name) => (old[name] ?? '').trim() !== '');
    if (present.length > 0 && !options.replace) throw alreadyThere(path, present);
    const renewed = Array.from(fresh, ([name, value]) => ({
      name,
      ...renew(name, value, old[name] ?? ''),
    }));
    await replaceFile(path, setAll(text, new Map(renewed.map(({ name, value }) => [name, value]))));
    const named = (holds: (one: Renewed) => boolean | undefined): string[] =>
      renewed.filter((one) => holds(one) === true).map(({ name }) => name);
    return {
      written: named(({ unchanged }) => unchanged !== true),
      keptOld: named(({ keptOld }) => keptOld),
      droppedRsa: named(({ droppedRsa }) => droppedRsa),
      unchanged: named(({ unchanged }) => unchanged),
    };
  } catch (error) {
    if (error instanceof KeysError) throw error;
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
    throw new KeysError('FILE_FAILED', `${path} could not be read or written (${why})`, {
      cause: error,
    });
  }
}

function alreadyThere(path: string, names: readonly string[]): KeysError {
  const message = `${path} already has ${names.join(', ')}: run \`npm run keys -- --replace\`, which keeps old keys as second ones`;
  return new KeysError('KEYS_EXIST', message);
}

/** `npm run keys [-- [--issuer] [--replace]]` */
async function main(): Promise<void> {
  const args = process.argv.slice(2);
  try {
    const unknown = args.find((argument) => !['--replace', '--issuer'].includes(argument));
    if (unknown !== undefined)
      throw new KeysError(
        'UNKNOWN_ARGUMENT',
        `unknown argument ${unknown}; there are --replace and --issuer`,
      );
    const options = { replace: args.includes('--replace'), issuer: args.includes('--issuer') };
    const report = await writeKeys(resolve('.env'), options);
    for (const name of report.written) {
      const old = report.keptOld.includes(name) ? ', the old key is second' : '';
      const rsa = report.droppedRsa.includes(name) ? ', the RSA key is gone' : '';
      console.log(`.env: ${name} is new${old}${rsa}`);
    }
    if (report.keptOld.includes('MANA_AUTH_KEK')) {
      console.log(
        'restart, then `npm run rewrap` wraps the master keys by the new MANA_AUTH_KEK; then the old one can go',
      );
    }
    for (const name of report.unchanged)
      console.log(`.env: ${name} is unchanged, it has no second place`);
  } catch (error) {
    if (!(error instanceof KeysError)) throw error;
    console.error(`keys: ${error.message}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  await main();
