/** One block of a PEM text. */
export type PemBlock = { label: string; der: Uint8Array<ArrayBuffer> };

export type PemRefusal = 'not-pem' | 'rsa' | 'wrong-key';

/**
 * The keys of a PEM text, in its order; each is the whole DER structure, ready for WebCrypto's
 * importKey.
 */
export type PemKeys =
  { ok: true; keys: Uint8Array<ArrayBuffer>[] } | { ok: false; reason: PemRefusal };

export type PemKind = 'x25519-private' | 'x25519-public' | 'ed25519-private';

/**
 * The DER of these keys without the 32 bytes at the end (RFC 8410, sections 4 and 7). WebCrypto
 * imports every structure that begins with these bytes and has the right length, so a configuration
 * can be judged without waiting for an import.
 */
const FORMS: Record<PemKind, { label: string; prefix: string }> = {
  'x25519-private': { label: 'PRIVATE KEY', prefix: '302e020100300506032b656e04220420' },
  'x25519-public': { label: 'PUBLIC KEY', prefix: '302a300506032b656e032100' },
  'ed25519-private': { label: 'PRIVATE KEY', prefix: '302e020100300506032b657004220420' },
};

const KEY_BYTES = 32;
/** The object identifier rsaEncryption, 1.2.840.113549.1.1.1 (RFC 8017, appendix A.1). */
const RSA_ENCRYPTION = '06092a864886f70d010101';

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/**
 * Splits a PEM text (RFC 7468; line ends may be written as `\n`) into its blocks. Null if any part
 * of it is no PEM.
 */
export function parsePem(text: string): PemBlock[] | null {
  const unescaped = text.replaceAll(/\\r|\\n/g, '\n');
  if (unescaped.replaceAll(BLOCK, '').trim() !== '') return null;
  const blocks: PemBlock[] = [];
  for (const [, label = '', body = ''] of unescaped.matchAll(BLOCK)) {
    const der = decodeBase64(body);
    if (der === null) return null;
    blocks.push({ label, der });
  }
  return blocks.length === 0 ? null : blocks;
}

/**
 * Reads one or more keys, all of the one kind. RSA has a reason of its own, because the keys of the
 * existing system are RSA.
 */
export function readPemKeys(text: string, kind: PemKind): PemKeys {
  const blocks = parsePem(text);
  if (blocks === null) return { ok: false, reason: 'not-pem' };
  if (blocks.some(isRsa)) return { ok: false, reason: 'rsa' };
  const form = FORMS[kind];
  const fits = ({ label, der }: PemBlock) =>
    label === form.label &&
    hex(der).startsWith(form.prefix) &&
    der.length === form.prefix.length / 2 + KEY_BYTES;
  return blocks.every(fits)
    ? { ok: true, keys: blocks.map(({ der }) => der) }
    : { ok: false, reason: 'wrong-key' };
}

function isRsa({ label, der }: PemBlock): boolean {
  return label.startsWith('RSA ') || hex(der).includes(RSA_ENCRYPTION);
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text.replaceAll(/\s/g, '')), (character) =>
      character.charCodeAt(0),
    );
  } catch {
    return null;
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
