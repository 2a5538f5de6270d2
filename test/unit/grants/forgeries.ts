/** Tokens and sealed keys that must be refused, made by Node's own crypto from fixed keys: published beside the good vectors. */
import { createHmac, createPublicKey, type KeyObject } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import * as independent from './independent.ts';
import { bytes } from './material.ts';
import { withUnusedBits } from './vector-builder.ts';

const NOW_SEC = 1_795_521_600;
const DAY = 86_400;
const USER_ID = 'user-7f3a';
const MISSION_ID = 'mission-1';
const SIGNING = independent.privateKeyOf('ed25519', bytes(96));
const OTHER_SIGNING = independent.privateKeyOf('ed25519', bytes(97));
const PUBLIC = createPublicKey(SIGNING);
const KID = independent.thumbprint(PUBLIC);
const HEADER = { alg: 'Ed25519', typ: 'mission-grant+jwt', kid: KID };
const CLAIMS = {
  iss: 'mana-auth',
  aud: 'mana-ai',
  sub: USER_ID,
  jti: 'grant-1',
  iat: NOW_SEC,
  nbf: NOW_SEC,
  exp: NOW_SEC + 7 * DAY,
  mission: MISSION_ID,
  records: ['notes:n-1', 'tasks:t-1'],
  llm: 'any',
  keysHash: independent.hash('any text'),
};
/** The neutral element: with R the same and S = 0 every text has a valid signature. */
const NEUTRAL = Buffer.from(bytes(1, 32).map((byte, at) => (at === 0 ? byte : 0)));
const NEUTRAL_KID = independent.thumbprint(
  createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: NEUTRAL.toString('base64url') },
    format: 'jwk',
  }),
);
/** Order of the base point. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

export type Refusal = { name: string; reason: string };

function signed(header: unknown, payload: unknown = CLAIMS, key: KeyObject = SIGNING): string {
  return independent.signToken(key, header, payload);
}

export function refusedTokens() {
  return {
    about:
      'One token that is accepted for userId, missionId and nowSec under keySet, and tokens that are refused with the reason beside them. The key with the kid of the neutral element is in the key set on purpose.',
    userId: USER_ID,
    missionId: MISSION_ID,
    nowSec: NOW_SEC,
    keySet: {
      keys: [
        jwkOf(PUBLIC),
        { kty: 'OKP', crv: 'Ed25519', x: NEUTRAL.toString('base64url'), kid: NEUTRAL_KID },
      ],
    },
    accepted: signed(HEADER),
    vectors: [...byAlgorithm(), ...byKey(), ...byHeader(), ...byText(), ...byClaims(), ...byTime()],
  };
}

type TokenVector = Refusal & { token: string };

function malformed(name: string, token: string): TokenVector {
  return { name, token, reason: 'malformed' };
}

function forged(name: string, token: string): TokenVector {
  return { name, token, reason: 'bad-signature' };
}

function byAlgorithm(): TokenVector[] {
  const input = `${independent.part({ ...HEADER, alg: 'HS256' })}.${independent.part(CLAIMS)}`;
  const spki = PUBLIC.export({ type: 'spki', format: 'pem' });
  const hmac = (secret: string | Buffer) =>
    createHmac('sha256', secret).update(input).digest('base64url');
  return [
    malformed(
      'alg none without a signature',
      `${independent.part({ ...HEADER, alg: 'none' })}.${independent.part(CLAIMS)}.`,
    ),
    malformed('alg none with a signature', signed({ ...HEADER, alg: 'none' })),
    malformed('HS256 with the public key as PEM', `${input}.${hmac(String(spki))}`),
    malformed('HS256 with the bytes of the public key', `${input}.${hmac(rawOf(PUBLIC))}`),
    malformed('RS256', signed({ ...HEADER, alg: 'RS256' })),
    malformed('EdDSA, the older name of the algorithm', signed({ ...HEADER, alg: 'EdDSA' })),
    malformed('ed25519 in small letters', signed({ ...HEADER, alg: 'ed25519' })),
  ];
}

function byKey(): TokenVector[] {
  const otherKid = independent.thumbprint(createPublicKey(OTHER_SIGNING));
  const [header = '', payload = '', signature = ''] = signed(HEADER).split('.');
  const zero = Buffer.concat([NEUTRAL, Buffer.alloc(32)]).toString('base64url');
  const flipped = Buffer.from(signature, 'base64url');
  flipped[3] = (flipped[3] ?? 0) ^ 4;
  return [
    forged(
      'another key under its own kid',
      signed({ ...HEADER, kid: otherKid }, CLAIMS, OTHER_SIGNING),
    ),
    forged('another key under the kid of the right one', signed(HEADER, CLAIMS, OTHER_SIGNING)),
    forged(
      'a kid that points elsewhere',
      signed({ ...HEADER, kid: '../../.well-known/jwks.json' }),
    ),
    forged('a kid that is a member of every object', signed({ ...HEADER, kid: '__proto__' })),
    forged(
      'a key of small order',
      `${independent.part({ ...HEADER, kid: NEUTRAL_KID })}.${payload}.${zero}`,
    ),
    forged('the signature of the neutral element', `${header}.${payload}.${zero}`),
    forged('S that is not reduced', `${header}.${payload}.${withUnreducedS(signature)}`),
    forged(
      'one bit of the signature turned',
      `${header}.${payload}.${flipped.toString('base64url')}`,
    ),
    forged(
      'a signature cut by a byte',
      `${header}.${payload}.${Buffer.from(signature, 'base64url').subarray(0, 63).toString('base64url')}`,
    ),
    forged('no signature', `${header}.${payload}.`),
    forged(
      'altered claims',
      `${header}.${independent.part({ ...CLAIMS, records: ['notes:n-1', 'notes:n-2'] })}.${signature}`,
    ),
    forged(
      'an altered end',
      `${header}.${independent.part({ ...CLAIMS, exp: CLAIMS.exp + 1 })}.${signature}`,
    ),
  ];
}

function byHeader(): TokenVector[] {
  const own = jwkOf(createPublicKey(OTHER_SIGNING));
  const { typ: _typ, ...untyped } = HEADER;
  const { kid: _kid, ...nameless } = HEADER;
  return [
    malformed('an embedded jwk', signed({ ...HEADER, jwk: own }, CLAIMS, OTHER_SIGNING)),
    malformed('jku', signed({ ...HEADER, jku: 'https://attacker.example/jwks.json' })),
    malformed('x5u', signed({ ...HEADER, x5u: 'https://attacker.example/cert.pem' })),
    malformed('x5c', signed({ ...HEADER, x5c: [] })),
    malformed('an unknown crit', signed({ ...HEADER, crit: ['x'], x: 1 })),
    malformed('an empty crit', signed({ ...HEADER, crit: [] })),
    malformed('b64', signed({ ...HEADER, b64: true, crit: ['b64'] })),
    malformed('an unknown member', signed({ ...HEADER, x: 1 })),
    malformed('no typ', signed(untyped)),
    malformed('no kid', signed(nameless)),
    malformed('a kid that is no text', signed({ ...HEADER, kid: 1 })),
    malformed("a user token's typ", signed({ ...HEADER, typ: 'JWT' })),
    malformed('typ in other letters', signed({ ...HEADER, typ: 'Mission-Grant+JWT' })),
    malformed(
      'typ as a whole media type',
      signed({ ...HEADER, typ: 'application/mission-grant+jwt' }),
    ),
    malformed("the keys' typ", signed({ ...HEADER, typ: 'mission-keys+jwe' })),
    malformed('a header that is a list', signed(['Ed25519'])),
  ];
}

function byText(): TokenVector[] {
  const token = signed(HEADER);
  const [header = '', payload = '', signature = ''] = token.split('.');
  const spaced = Buffer.from(JSON.stringify(HEADER)).toString('base64');
  const latin1 = Buffer.from(JSON.stringify({ ...CLAIMS, jti: 'é' }), 'latin1').toString(
    'base64url',
  );
  return [
    malformed('nothing', ''),
    malformed('two dots alone', '..'),
    malformed('two parts', `${header}.${payload}`),
    malformed('four parts', `${token}.AA`),
    malformed('white space before', ` ${token}`),
    malformed('a line end after', `${token}\n`),
    malformed('padding of the signature', `${token}==`),
    malformed('unused bits of the signature', withUnusedBits(token)),
    malformed(
      'padding of the header',
      `${spaced}${spaced.endsWith('=') ? '' : '='}.${payload}.${signature}`,
    ),
    malformed(
      'a header that is no JSON',
      `${Buffer.from('{').toString('base64url')}.${payload}.${signature}`,
    ),
    malformed(
      'a header with a byte order mark',
      signedBytes(Buffer.from(`\ufeff${JSON.stringify(HEADER)}`), payload),
    ),
    malformed('claims with a byte order mark', signedText(`\ufeff${JSON.stringify(CLAIMS)}`)),
    malformed('claims that are no UTF-8', signedBytes(Buffer.from(JSON.stringify(HEADER)), latin1)),
    malformed('claims that are no JSON', signedText('claims')),
    malformed('claims that are a list', signedText('[]')),
    malformed('claims that are null', signedText('null')),
  ];
}

function byClaims(): TokenVector[] {
  const bad = (name: string, changes: Record<string, unknown>) =>
    malformed(name, signed(HEADER, { ...CLAIMS, ...changes }));
  const missing = Object.keys(CLAIMS).map((claim) => bad(`no ${claim}`, { [claim]: undefined }));
  return [
    ...missing,
    bad('another iss', { iss: 'mana' }),
    bad('another aud', { aud: 'mana' }),
    bad('aud as a list', { aud: ['mana-ai'] }),
    bad('exp as text', { exp: String(CLAIMS.exp) }),
    bad('exp that is no whole number', { exp: CLAIMS.exp + 0.5 }),
    malformed(
      'exp beyond all numbers',
      signedText(JSON.stringify(CLAIMS).replace(/"exp":\d+/, '"exp":1e999')),
    ),
    bad('exp before iat', { iat: NOW_SEC, exp: NOW_SEC }),
    bad('a lifetime of 30 days and a second', { exp: NOW_SEC + 30 * DAY + 1 }),
    bad('a negative iat', { iat: -1 }),
    bad('an empty sub', { sub: '' }),
    bad('a sub with a NUL', { sub: 'a\u0000b' }),
    bad('a jti with a lone surrogate', { jti: '\ud800' }),
    bad('a mission of 257 code units', { mission: 'x'.repeat(257) }),
    bad('records in another order', { records: ['tasks:t-1', 'notes:n-1'] }),
    bad('a record twice', { records: ['notes:n-1', 'notes:n-1'] }),
    bad('a mission among the records', { records: [`aiMissions:${MISSION_ID}`, 'notes:n-1'] }),
    bad('a record without a table', { records: [':n-1'] }),
    bad('a record without an id', { records: ['notes:'] }),
    bad('a record with a NUL', { records: ['notes:a\u0000b'] }),
    bad('a record with a lone surrogate', { records: ['notes:\ud800'] }),
    bad('a table with a separator', { records: ['no/tes:n-1'] }),
    bad('records that are a text', { records: 'notes:n-1' }),
    bad('1,001 records', {
      records: Array.from({ length: 1001 }, (_, at) => `notes:${String(at).padStart(4, '0')}`),
    }),
    bad('another llm', { llm: 'remote' }),
    bad('a keysHash of another length', { keysHash: 'AAAA' }),
    bad('a keysHash that is not canonical', { keysHash: withUnusedBits(CLAIMS.keysHash) }),
    {
      name: 'another person',
      token: signed(HEADER, { ...CLAIMS, sub: 'user-2' }),
      reason: 'wrong-user',
    },
    {
      name: 'another mission',
      token: signed(HEADER, { ...CLAIMS, mission: 'mission-2' }),
      reason: 'wrong-mission',
    },
  ];
}

function byTime(): TokenVector[] {
  const past = { iat: NOW_SEC - DAY, nbf: NOW_SEC - DAY };
  return [
    timed('expired this second', { ...past, exp: NOW_SEC }, 'expired'),
    timed(
      'expired a day ago',
      { iat: NOW_SEC - 3 * DAY, nbf: NOW_SEC - 3 * DAY, exp: NOW_SEC - DAY },
      'expired',
    ),
    timed('nbf 61 s ahead', { nbf: NOW_SEC + 61 }, 'not-yet-valid'),
    timed('iat 61 s ahead', { iat: NOW_SEC + 61 }, 'not-yet-valid'),
  ];
}

function timed(name: string, changes: Record<string, number>, reason: string): TokenVector {
  return { name, token: signed(HEADER, { ...CLAIMS, ...changes }), reason };
}

function signedText(payload: string): string {
  return signedBytes(
    Buffer.from(JSON.stringify(HEADER)),
    Buffer.from(payload).toString('base64url'),
  );
}

function signedBytes(header: Buffer, payload: string): string {
  return independent.signInput(SIGNING, `${header.toString('base64url')}.${payload}`);
}

function withUnreducedS(signature: string): string {
  const signatureBytes = Buffer.from(signature, 'base64url');
  const s =
    BigInt(`0x${Buffer.from(signatureBytes.subarray(32).toReversed()).toString('hex')}`) + L;
  const unreduced = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').toReversed();
  return Buffer.concat([signatureBytes.subarray(0, 32), unreduced]).toString('base64url');
}

function rawOf(publicKey: KeyObject): Buffer {
  return Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
}

function jwkOf(publicKey: KeyObject) {
  return {
    ...publicKey.export({ format: 'jwk' }),
    kid: independent.thumbprint(publicKey),
    alg: 'Ed25519',
    use: 'sig',
  };
}

const RUNNER = independent.privateKeyOf('x25519', bytes(64));
const OTHER_RUNNER = independent.privateKeyOf('x25519', bytes(65));
const RUNNER_KID = independent.thumbprint(createPublicKey(RUNNER));
const KEYS_HEADER = {
  kid: RUNNER_KID,
  typ: 'mission-keys+jwe',
  sub: USER_ID,
  mission: MISSION_ID,
  exp: CLAIMS.exp,
};
const KEY = Buffer.from(bytes(7)).toString('base64url');
const SEALED = {
  [`aiMissions:${MISSION_ID}`]: { 1: KEY },
  'notes:n-1': { 1: KEY },
  'tasks:t-1': { 1: KEY },
};
const RANDOM = {
  contentKey: bytes(160),
  iv: bytes(230, 12),
  ephemeral: independent.privateKeyOf('x25519', bytes(128)),
};

/** Too large to be published: what would be accepted if it were smaller. */
export function oversized() {
  return {
    token: signed(HEADER, { ...CLAIMS, padding: ' '.repeat(400_000) }),
    keysJwe: sealed({}, `${JSON.stringify(SEALED)}${' '.repeat(150_000)}`),
  };
}

type KeysVector = Refusal & { keysJwe: string; keysHash: string };

export function refusedKeys() {
  return {
    about:
      'Sealed keys that are accepted for the claims, and some that are refused, each with the keysHash that its grant would carry. Private keys as in grants.json.',
    runnerPrivateKey: Buffer.from(bytes(64)).toString('base64url'),
    claims: CLAIMS,
    accepted: sealed({}),
    vectors: [...keysByHeader(), ...keysByPoint(), ...keysByText(), ...keysByScope()],
  };
}

function sealed(
  header: Record<string, unknown>,
  plaintext: unknown = SEALED,
  recipient = RUNNER,
): string {
  const text = typeof plaintext === 'string' ? plaintext : JSON.stringify(plaintext);
  return independent.sealJwe(
    createPublicKey(recipient),
    { ...KEYS_HEADER, ...header },
    text,
    RANDOM,
  );
}

function unwrapped(
  name: string,
  keysJwe: string,
  keysHash = independent.hash(keysJwe),
): KeysVector {
  return { name, keysJwe, keysHash, reason: 'wrap-rejected' };
}

function keysByHeader(): KeysVector[] {
  const compressed = deflateRawSync(JSON.stringify(SEALED));
  const zipped = independent.sealJwe(
    createPublicKey(RUNNER),
    { ...KEYS_HEADER, zip: 'DEF' },
    compressed,
    RANDOM,
  );
  const epk = createPublicKey(RANDOM.ephemeral).export({ format: 'jwk' });
  const bad = (name: string, header: Record<string, unknown>) => unwrapped(name, sealed(header));
  return [
    ...['kid', 'typ', 'sub', 'mission', 'exp', 'epk', 'alg', 'enc'].map((member) =>
      bad(`no ${member}`, { [member]: undefined }),
    ),
    bad('alg ECDH-ES', { alg: 'ECDH-ES' }),
    bad('alg dir', { alg: 'dir' }),
    bad('alg A256KW', { alg: 'A256KW' }),
    bad('alg ECDH-ES+A128KW', { alg: 'ECDH-ES+A128KW' }),
    bad('enc A128GCM', { enc: 'A128GCM' }),
    bad('enc A256CBC-HS512', { enc: 'A256CBC-HS512' }),
    unwrapped('zip', zipped),
    bad('crit', { crit: ['exp'] }),
    bad('apu', { apu: 'AA' }),
    bad('jwk', { jwk: epk }),
    bad('another typ', { typ: 'mission-grant+jwt' }),
    bad('another person', { sub: 'user-2' }),
    bad('another mission', { mission: 'mission-2' }),
    bad('a kid that the runner does not have', {
      kid: independent.thumbprint(createPublicKey(OTHER_RUNNER)),
    }),
    bad('an end before that of the grant', { exp: CLAIMS.exp - 1 }),
    bad('an end as text', { exp: String(CLAIMS.exp) }),
    bad('an epk with a private half', { epk: { ...epk, d: KEY } }),
    bad('an epk of another curve', { epk: { ...epk, crv: 'Ed25519' } }),
    bad('an epk with padding', { epk: { ...epk, x: `${epk.x}=` } }),
    unwrapped('sealed to another key', sealed({}, SEALED, OTHER_RUNNER)),
  ];
}

/** Points with which every shared secret is all zeros, as anybody can compute it; also in the forms that are not reduced. */
function keysByPoint(): KeysVector[] {
  const points = {
    'u = 0': '00'.repeat(32),
    'u = 1': `01${'00'.repeat(31)}`,
    'u = -1': `ec${'ff'.repeat(30)}7f`,
    'a first u of order 8': 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    'a second u of order 8': '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'u = p': `ed${'ff'.repeat(30)}7f`,
    'u = p + 1': `ee${'ff'.repeat(30)}7f`,
    'u = 0 with the highest bit': `${'00'.repeat(31)}80`,
  };
  return Object.entries(points).map(([name, point]) => {
    const epk = { kty: 'OKP', crv: 'X25519', x: Buffer.from(point, 'hex').toString('base64url') };
    const header = { alg: 'ECDH-ES+A256KW', enc: 'A256GCM', epk, ...KEYS_HEADER };
    const keysJwe = independent.sealJweUnder(
      Buffer.alloc(32),
      header,
      JSON.stringify(SEALED),
      RANDOM,
    );
    return unwrapped(`an all-zero shared secret: ${name}`, keysJwe);
  });
}

function keysByText(): KeysVector[] {
  const jwe = sealed({});
  const parts = jwe.split('.');
  const cut = (at: number, length: number) =>
    parts
      .with(
        at,
        Buffer.from(parts[at] ?? '', 'base64url')
          .subarray(0, length)
          .toString('base64url'),
      )
      .join('.');
  const [header = '', wrapped = '', iv = '', text = '', tag = ''] = parts;
  return [
    unwrapped('nothing', ''),
    unwrapped('four parts', [header, wrapped, iv, text].join('.')),
    unwrapped('six parts', `${jwe}.AA`),
    unwrapped('a tag cut to 12 bytes', cut(4, 12)),
    unwrapped('no tag', [header, wrapped, iv, text, ''].join('.')),
    unwrapped('an IV of 11 bytes', cut(2, 11)),
    unwrapped(
      'an IV of 16 bytes',
      [header, wrapped, Buffer.from(bytes(0, 16)).toString('base64url'), text, tag].join('.'),
    ),
    unwrapped('a wrapped key of 32 bytes', cut(1, 32)),
    unwrapped('no wrapped key', [header, '', iv, text, tag].join('.')),
    unwrapped('padding', `${jwe}==`),
    unwrapped('unused bits', withUnusedBits(jwe)),
    unwrapped('a line end', `${jwe}\n`),
    unwrapped(
      'keys of another grant: the hash is not the one that was signed',
      jwe,
      independent.hash(`${jwe} `),
    ),
  ];
}

function keysByScope(): KeysVector[] {
  const { 'tasks:t-1': _task, ...narrower } = SEALED;
  const { [`aiMissions:${MISSION_ID}`]: _mission, ...missionless } = SEALED;
  const withNote = (versions: unknown) => ({ ...SEALED, 'notes:n-1': versions });
  return [
    holding('wider than the scope', { ...SEALED, 'notes:n-2': { 1: KEY } }),
    holding('narrower than the scope', narrower),
    holding("without the mission's own key", missionless),
    holding('another mission instead', { ...missionless, 'aiMissions:mission-2': { 1: KEY } }),
    holding('another record instead', { ...narrower, 'tasks:t-2': { 1: KEY } }),
    holding('a list', []),
    holding('null', 'null'),
    holding('no JSON', 'keys'),
    holding('a record without versions', withNote({})),
    holding('versions that are a list', withNote([KEY])),
    holding('version 0', withNote({ 0: KEY })),
    holding('version 01', withNote({ '01': KEY })),
    holding('a version that is a word', withNote({ one: KEY })),
    holding('a key of 31 bytes', withNote({ 1: Buffer.from(bytes(7, 31)).toString('base64url') })),
    holding('a key of zeros', withNote({ 1: Buffer.alloc(32).toString('base64url') })),
    holding('a key with padding', withNote({ 1: `${KEY}=` })),
    holding('a key that is not canonical', withNote({ 1: withUnusedBits(KEY) })),
    holding('a key that is no text', withNote({ 1: 1 })),
  ];
}

function holding(name: string, plaintext: unknown): KeysVector {
  return unwrapped(name, sealed({}, plaintext));
}
