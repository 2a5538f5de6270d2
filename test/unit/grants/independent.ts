/**
 * The formats once more, from their description and by Node's own crypto alone (OpenSSL, no WebCrypto, no jose): what one writes the
 * other must read. Nothing here comes from src/grants.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';

const NUL = Buffer.from([0]);

function nulJoined(...texts: string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text, at) => (at === 0 ? [Buffer.from(text)] : [NUL, Buffer.from(text)])),
  );
}

export function recordKey(
  master: Uint8Array,
  table: string,
  recordId: string,
  version: number,
): Buffer {
  const info = nulJoined('mana/record-key/v2', String(version), table, recordId);
  return Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), info, 32));
}

export type Place = { table: string; recordId: string; path: string };

export function sealField(
  key: Uint8Array,
  version: number,
  place: Place,
  value: unknown,
  iv: Uint8Array = randomBytes(12),
): string {
  return sealFieldText(key, version, place, JSON.stringify(value), iv);
}

/** Any plaintext, also what is no JSON. */
export function sealFieldText(
  key: Uint8Array,
  version: number,
  place: Place,
  plaintext: string | Uint8Array,
  iv: Uint8Array = randomBytes(12),
): string {
  const { text, tag } = gcmSeal(
    key,
    iv,
    nulJoined(place.table, place.recordId, place.path),
    plaintext,
  );
  return `enc:2:${version}:${Buffer.from(iv).toString('base64url')}.${Buffer.concat([text, tag]).toString('base64url')}`;
}

export function openField(key: Uint8Array, place: Place, field: string): unknown {
  const [, iv = '', sealed = ''] = /^enc:2:\d+:([^.]+)\.(.+)$/.exec(field) ?? [];
  const bytes = Buffer.from(sealed, 'base64url');
  const aad = nulJoined(place.table, place.recordId, place.path);
  return JSON.parse(
    gcmOpen(key, Buffer.from(iv, 'base64url'), aad, bytes.subarray(0, -16), bytes.subarray(-16)),
  );
}

/** `enc:1:`, as the older web app writes it. */
export function sealLegacyField(
  master: Uint8Array,
  value: unknown,
  iv: Uint8Array = randomBytes(12),
): string {
  const { text, tag } = gcmSeal(master, iv, Buffer.alloc(0), JSON.stringify(value));
  return `enc:1:${Buffer.from(iv).toString('base64')}.${Buffer.concat([text, tag]).toString('base64')}`;
}

/** RFC 7638, of an OKP key. */
export function thumbprint(publicKey: KeyObject): string {
  const { crv, x } = publicKey.export({ format: 'jwk' });
  return createHash('sha256').update(`{"crv":"${crv}","kty":"OKP","x":"${x}"}`).digest('base64url');
}

export function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** RFC 7515, compact; any header, any payload, so that forgeries can be made too. */
export function signToken(privateKey: KeyObject, header: unknown, payload: unknown): string {
  return signInput(privateKey, `${part(header)}.${part(payload)}`);
}

export function signInput(privateKey: KeyObject, input: string): string {
  return `${input}.${sign(null, Buffer.from(input), privateKey).toString('base64url')}`;
}

export function openToken(
  publicKey: KeyObject,
  token: string,
): { header: unknown; payload: unknown } {
  const [header = '', payload = '', signature = ''] = token.split('.');
  if (
    !verify(
      null,
      Buffer.from(`${header}.${payload}`),
      publicKey,
      Buffer.from(signature, 'base64url'),
    )
  )
    throw new Error('bad signature');
  return { header: unpart(header), payload: unpart(payload) };
}

export type JweParts = { header: Record<string, unknown>; plaintext: string };

/** What is random in a JWE, unless a test fixes it. */
export type JweRandomness = { contentKey: Uint8Array; iv: Uint8Array; ephemeral: KeyObject };

export function freshRandomness(): JweRandomness {
  return {
    contentKey: randomBytes(32),
    iv: randomBytes(12),
    ephemeral: generateKeyPairSync('x25519').privateKey,
  };
}

/** RFC 7516, ECDH-ES+A256KW and A256GCM; `header` completes or overrides what is usual. */
export function sealJwe(
  recipient: KeyObject,
  header: Record<string, unknown>,
  plaintext: string | Uint8Array,
  random = freshRandomness(),
): string {
  const { crv, kty, x } = createPublicKey(random.ephemeral).export({ format: 'jwk' });
  const full = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM', epk: { kty, crv, x }, ...header };
  const sharedSecret = diffieHellman({ privateKey: random.ephemeral, publicKey: recipient });
  return sealJweUnder(sharedSecret, full, plaintext, random);
}

/** The rest of sealJwe, for a shared secret that came about otherwise. */
export function sealJweUnder(
  sharedSecret: Uint8Array,
  header: Record<string, unknown>,
  plaintext: string | Uint8Array,
  { contentKey, iv }: Pick<JweRandomness, 'contentKey' | 'iv'>,
): string {
  const wrap = createCipheriv('id-aes256-wrap', concatKdf(sharedSecret), Buffer.alloc(8, 0xa6));
  const wrapped = Buffer.concat([wrap.update(contentKey), wrap.final()]);
  const protectedPart = part(header);
  const { text, tag } = gcmSeal(contentKey, iv, Buffer.from(protectedPart), plaintext);
  return [
    protectedPart,
    ...[wrapped, iv, text, tag].map((bytes) => Buffer.from(bytes).toString('base64url')),
  ].join('.');
}

export function openJwe(privateKey: KeyObject, jwe: string): JweParts {
  const [protectedPart = '', ...rest] = jwe.split('.');
  const [wrapped, iv, text, tag] = rest.map((segment) => Buffer.from(segment, 'base64url')) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const header = unpart(protectedPart) as Record<string, unknown>;
  const publicKey = createPublicKey({ key: header['epk'] as never, format: 'jwk' });
  const unwrap = createDecipheriv(
    'id-aes256-wrap',
    concatKdf(diffieHellman({ privateKey, publicKey })),
    Buffer.alloc(8, 0xa6),
  );
  const contentKey = Buffer.concat([unwrap.update(wrapped), unwrap.final()]);
  return { header, plaintext: gcmOpen(contentKey, iv, Buffer.from(protectedPart), text, tag) };
}

/** NIST SP 800-56A for one hash, as RFC 7518 section 4.6.2 has it: the key that wraps (A256KW). */
export function concatKdf(sharedSecret: Uint8Array): Buffer {
  const algorithm = Buffer.from('ECDH-ES+A256KW');
  // round 1 . Z . algorithm with its length . empty PartyUInfo and PartyVInfo . 256 bits
  const input = [
    uint32(1),
    sharedSecret,
    uint32(algorithm.length),
    algorithm,
    uint32(0),
    uint32(0),
    uint32(256),
  ];
  return createHash('sha256').update(Buffer.concat(input)).digest();
}

/** PKCS#8 of 32 fixed bytes, so that vectors can name their keys. */
export function privateKeyOf(type: 'x25519' | 'ed25519', seed: Uint8Array): KeyObject {
  const prefix =
    type === 'x25519' ? '302e020100300506032b656e04220420' : '302e020100300506032b657004220420';
  return createPrivateKey({
    key: Buffer.concat([Buffer.from(prefix, 'hex'), seed]),
    format: 'der',
    type: 'pkcs8',
  });
}

export function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

export function unpart(text: string): unknown {
  return JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown;
}

function gcmSeal(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plain: string | Uint8Array) {
  const plaintext = typeof plain === 'string' ? Buffer.from(plain) : plain;
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad);
  const text = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { text, tag: cipher.getAuthTag() };
}

function gcmOpen(
  key: Uint8Array,
  iv: Uint8Array,
  aad: Uint8Array,
  text: Uint8Array,
  tag: Uint8Array,
): string {
  const decipher = createDecipheriv('aes-256-gcm', key, iv).setAAD(aad).setAuthTag(tag);
  return Buffer.concat([decipher.update(text), decipher.final()]).toString();
}

function uint32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

/** RS256 (RFC 7518, section 3.3). */
export function signRsa(privateKey: KeyObject, header: unknown, payload: unknown): string {
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}
