import { isLoopback } from './locality.ts';
import { z } from 'zod';
import { isSafeX25519PublicKey } from '../grants/curve25519.ts';
import { type PemKind, readPemKeys } from '../grants/pem.ts';
import { fromBase64 } from '../values/base64.ts';
import { readDatabaseUrl } from './database-url.ts';
import { isSafeToCall } from './outgoing-url.ts';

/** A text of the environment and what it becomes. Messages complete the sentence "<variable> …". */
export type TextSchema<Value = unknown> = z.ZodType<Value, string>;

/** A schema by a reader of text, which answers undefined for a text that it refuses. */
function textSchema<Value>(
  wants: string,
  read: (text: string) => Value | undefined,
): TextSchema<Value> {
  return z.string({ error: 'wants text' }).transform((text, context) => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `wants ${wants}` });
    return z.NEVER;
  });
}

/** Text without control characters and without a space at either end, which nobody means or sees. */
export const line = textSchema('one line of text without a space at either end', (text) =>
  isLine(text) ? text : undefined,
);

/** What is sent or compared as an HTTP header. */
export const headerText = textSchema(
  'printable ASCII characters without a space at either end',
  (text) => (/^[!-~](?:[ -~]*[!-~])?$/.test(text) ? text : undefined),
);

/** `true` or `false`, written exactly so. */
export const boolean = oneOf('true', 'false').transform((text) => text === 'true');

/** A whole number in decimal digits, within both bounds. */
export function integer(min: number, max: number): TextSchema<number> {
  return textSchema(`a whole number from ${min} to ${max}`, (text) => {
    const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    return number >= min && number <= max ? number : undefined;
  });
}

export const port = integer(1, 65_535);

/** One of a few fixed words. */
export function oneOf<const Word extends string>(...words: readonly Word[]): TextSchema<Word> {
  return textSchema(words.join(' or '), (text) => words.find((word) => word === text));
}

/** An http or https URL without credentials, query or fragment. */
export const httpUrl = textSchema(
  'an http:// or https:// URL without user name, password, query and fragment',
  (text) => {
    const url = URL.parse(text);
    const isPlain =
      url !== null &&
      url.username === '' &&
      url.password === '' &&
      url.search === '' &&
      url.hash === '';
    return isPlain && /^https?:$/.test(url.protocol) ? url : undefined;
  },
);

/** The URL of something that is called: plain http to a local host alone. */
export const outgoingUrl = httpUrl.refine(isSafeToCall, 'wants https:// unless its host is local');

/** The URL of a PostgreSQL database, whose every wish can be kept (database-url.ts). */
export const databaseUrl: TextSchema<string> = z
  .string({ error: 'wants text' })
  .superRefine((text, context) => {
    const read = isLine(text)
      ? readDatabaseUrl(text)
      : ({ ok: false, message: 'wants one line of text' } as const);
    if (!read.ok) context.addIssue({ code: 'custom', message: read.message });
  });

/** A name of the IANA time zone database that this runtime knows. */
export const timeZone = textSchema('an IANA time zone such as Europe/Berlin', (text) => {
  try {
    const known = new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
    return known === '' ? 'UTC' : text;
  } catch {
    return undefined;
  }
});

/** A language tag (BCP 47). Its grammar takes words of five to eight letters too; none is registered. */
export const locale = textSchema('a BCP 47 language tag such as en or de-AT', (text) => {
  try {
    const tag = new Intl.Locale(text);
    return tag.language.length <= 3 ? tag.toString() : undefined;
  } catch {
    return undefined;
  }
});

/** A PEM text as it came, and its keys, each as its whole DER structure. */
export type PemVariable = { pem: string; keys: readonly Uint8Array<ArrayBuffer>[] };

/** One or more keys of one kind; the first is current. */
function pemKeys(kind: PemKind, wants: string): TextSchema<PemVariable> {
  return z.string({ error: 'wants text' }).transform((pem, context) => {
    const read = readPemKeys(pem, kind);
    if (read.ok) return { pem, keys: read.keys };
    const message =
      read.reason === 'rsa'
        ? `wants ${wants}, not RSA: run \`npm run keys -- --replace\``
        : `wants ${wants}`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

export const x25519PrivateKeys = pemKeys('x25519-private', 'X25519 private keys as PKCS#8 PEM');
export const ed25519PrivateKeys = pemKeys('ed25519-private', 'Ed25519 private keys as PKCS#8 PEM');

/** With a key of small order everybody knows the shared secret (RFC 7748, section 6.1). */
export const x25519PublicKeys = pemKeys('x25519-public', 'X25519 public keys as SPKI PEM').refine(
  ({ keys }) => keys.map(rawPublicKey).every(isSafeX25519PublicKey),
  'wants X25519 public keys as SPKI PEM, none of small order',
);

/** The 32 bytes at the end of an SPKI structure (RFC 8410, section 4). */
export function rawPublicKey(spki: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return spki.slice(-32);
}

const KEK_BYTES = 32;

/** Key-encryption keys: base64 of 32 bytes each, comma-separated, each once. */
export const keks = textSchema(
  'base64 of 32 bytes each, comma-separated, each once',
  (text): readonly Uint8Array<ArrayBuffer>[] | undefined => {
    const parts = text.split(',').map((part) => part.trim());
    const keys = parts.map(fromBase64).filter((key) => key?.length === KEK_BYTES);
    const isWhole = keys.length === parts.length && new Set(parts).size === parts.length;
    return isWhole ? keys.filter((key) => key !== null) : undefined;
  },
);

function isLine(text: string): boolean {
  return !/\p{Cc}/u.test(text) && text === text.trim() && text !== '';
}

/** Keys and passkeys of a page need a secure context (W3C Secure Contexts, section 3). */
export const consoleOrigin = httpUrl.refine(
  ({ protocol, hostname, pathname }) =>
    pathname === '/' && (protocol === 'https:' || isLoopback(hostname)),
  'wants https:// and a host, without a path; http:// for localhost alone',
);
