/**
 * What stands in test/vectors/: everything from fixed keys, IVs and ephemeral keys, by way of the seam that src/grants/index.ts does not
 * export.
 */
import { encryptFieldWithIv } from '../../../src/grants/fields.ts';
import {
  hashOfKeys,
  importRecordKey,
  importRunnerPublicKey,
  importSigningKeys,
  mintGrant,
  type RecordKeys,
} from '../../../src/grants/index.ts';
import { sealKeysWithFixed } from '../../../src/grants/seal.ts';
import * as independent from './independent.ts';
import { bytes } from './material.ts';

const MASTER = bytes(0);
const RUNNER_SEED = bytes(64);
const SIGNING_SEED = bytes(96);
const EPHEMERAL_SEED = bytes(128);
const CONTENT_KEY = bytes(160);
const USER_ID = 'user-7f3a';
const MISSION_ID = '0f8fad5b-d9cb-469f-a165-70867728950e';
const NOTE_ID = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const ITERATION_ID = 'b1e7c1a4-5d0e-5a3c-9f5e-2f3a4b5c6d7e';
const IAT = 1_795_521_600;

function b64u(data: Uint8Array): string {
  return Buffer.from(data).toString('base64url');
}

async function keysFor(
  table: string,
  recordId: string,
  versions: readonly number[],
): Promise<RecordKeys> {
  const key = async (version: number) =>
    [
      version,
      await importRecordKey(
        Uint8Array.from(independent.recordKey(MASTER, table, recordId, version)),
      ),
    ] as const;
  return new Map(await Promise.all(versions.map(key)));
}

export function names() {
  return {
    about:
      'Names that are allowed and refused. Refused ones are refused before any key is derived.',
    tables: {
      allowed: ['notes', 'aiMissions', 'N', 'a_1', `a${'b'.repeat(63)}`],
      refused: [
        '',
        '1notes',
        '_notes',
        'no-tes',
        'no tes',
        'nötes',
        'notes\n',
        'notes\u0000',
        'a:b',
        `a${'b'.repeat(64)}`,
      ],
    },
    ids: {
      allowed: [NOTE_ID, 'a:b', 'a/b', ' ', 'é', 'e\u0301', '🗝️', '\u00a0', 'x'.repeat(256)],
      refused: ['', 'x'.repeat(257), 'a\u0000b', 'a\nb', '\u007f', '\u0085'],
      // A line separator and lone surrogates, which some readers of JSON refuse: as code units, then.
      allowedCodeUnits: [[0x2028]],
      refusedCodeUnits: [[0xd800], [0x61, 0xdc00], [0xdc00, 0xd800]],
    },
    refs: {
      allowed: [
        { text: 'notes:1', table: 'notes', recordId: '1' },
        { text: 'notes:a:b', table: 'notes', recordId: 'a:b' },
        { text: 'notes::', table: 'notes', recordId: ':' },
      ],
      refused: ['', 'notes', 'notes:', ':1', 'no tes:1', 'notes:\u0000'],
    },
  };
}

export function recordKeys() {
  const of = (table: string, recordId: string, version: number) => ({
    table,
    recordId,
    version,
    key: b64u(independent.recordKey(MASTER, table, recordId, version)),
  });
  return {
    about:
      'HKDF-SHA-256(masterKey, salt = empty, info = "mana/record-key/v2" 0x00 version 0x00 table 0x00 recordId, 32 bytes). Binary is base64url.',
    masterKey: b64u(MASTER),
    vectors: [
      of('notes', NOTE_ID, 1),
      of('notes', NOTE_ID, 2),
      of('tasks', NOTE_ID, 1),
      of('aiMissions', MISSION_ID, 1),
      of('notes', 'a:b/c', 1),
      of('notes', 'é', 1),
      of('notes', 'e\u0301', 1),
      of('journal', '🗝️', 9007199254740991),
    ],
  };
}

type FieldPlace = { table: string; recordId: string; version: number; path: string };

async function field(name: string, place: FieldPlace, fill: number, value: unknown) {
  const { table, recordId, version, path } = place;
  const iv = bytes(fill, 12);
  const keys = await keysFor(table, recordId, [version]);
  const text = await encryptFieldWithIv(
    { keys, version, ref: { tableName: table, recordId }, path, value },
    iv,
  );
  return { name, ...place, iv: b64u(iv), value, text };
}

const TITLE = { table: 'notes', recordId: NOTE_ID, version: 1, path: 'title' };

export async function fields() {
  const title = await field('a text', TITLE, 200, 'Zahnarzt anrufen');
  return {
    about:
      'enc:2:<version>: base64url(iv) . base64url(AES-256-GCM ciphertext and tag of the JSON text), additional data = table 0x00 recordId 0x00 path. The key of each is derived from masterKey as in record-keys.json.',
    masterKey: b64u(MASTER),
    vectors: [
      title,
      await field('an empty text', TITLE, 201, ''),
      await field('text outside of ASCII', { ...TITLE, path: 'body' }, 202, 'Grüße 🗝️\n\u0000'),
      await field('an object', { ...TITLE, path: 'meta' }, 203, {
        tags: ['a', 'b'],
        pinned: false,
        weight: 1.5,
        none: null,
      }),
      await field('null', { ...TITLE, path: 'meta' }, 204, null),
      await field('a second version', { ...TITLE, version: 2 }, 205, 'Zahnarzt anrufen'),
      await field('a mission', onMission('objective'), 206, 'Jeden Montag die Woche planen'),
      await field('a checkpoint', onMission('checkpoint/run-1/0'), 207, { round: 0, messages: [] }),
    ],
    refused: refusedFields(title),
  };
}

function onMission(path: string): FieldPlace {
  return { table: 'aiMissions', recordId: MISSION_ID, version: 1, path };
}

function body(ivText: string, sealedText: string): string {
  return `enc:2:1:${ivText}.${sealedText}`;
}

type FieldVector = Awaited<ReturnType<typeof field>>;

function refusedFields({ text, ...title }: FieldVector) {
  const [iv = '', sealed = ''] = text.slice('enc:2:1:'.length).split('.');
  const sealedBytes = Buffer.from(sealed, 'base64url');
  const flipped = Buffer.from(sealedBytes);
  flipped[0] = (flipped[0] ?? 0) ^ 1;
  const of = (name: string, changes: Partial<typeof title> & { text?: string }, reason: string) => {
    const { table, recordId, path } = { ...title, ...changes };
    return { name, table, recordId, path, text: changes.text ?? text, reason };
  };
  return [
    of('in another field', { path: 'body' }, 'tampered'),
    of('in another record', { recordId: `${NOTE_ID}x` }, 'tampered'),
    of('in another table', { table: 'tasks' }, 'tampered'),
    of('one bit of the ciphertext turned', { text: body(iv, b64u(flipped)) }, 'tampered'),
    of('a tag cut to 12 bytes', { text: body(iv, b64u(sealedBytes.subarray(0, -4))) }, 'tampered'),
    of('a tag alone', { text: body(iv, b64u(sealedBytes.subarray(-16))) }, 'tampered'),
    of('nothing sealed', { text: body(iv, '') }, 'tampered'),
    of('an IV of 11 bytes', { text: body(b64u(bytes(200, 11)), sealed) }, 'tampered'),
    of('an IV of 16 bytes', { text: body(b64u(bytes(200, 16)), sealed) }, 'tampered'),
    of('padding', { text: body(iv, `${sealed}=`) }, 'tampered'),
    of('white space', { text: `${text}\n` }, 'tampered'),
    of('base64 that is not base64url', { text: body('+/+/+/+/+/+/+/+/', sealed) }, 'tampered'),
    of('unused bits that are set', { text: withUnusedBits(text) }, 'tampered'),
    of('a third part', { text: `${text}.AA` }, 'tampered'),
    of('a version with a leading zero', { text: `enc:2:01:${iv}.${sealed}` }, 'tampered'),
    of('version 0', { text: `enc:2:0:${iv}.${sealed}` }, 'tampered'),
    of('a version without a key', { text: `enc:2:3:${iv}.${sealed}` }, 'key-version'),
    of('another version of which there is a key', { text: `enc:2:2:${iv}.${sealed}` }, 'tampered'),
    of('an unknown format', { text: `enc:3:1:${iv}.${sealed}` }, 'tampered'),
    of(
      'the older format',
      { text: 'enc:1:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAA' },
      'legacy-ciphertext',
    ),
    of('a record id with a NUL', { recordId: 'a\u0000b' }, 'malformed'),
    of('a path with a NUL', { path: 'a\u0000b' }, 'malformed'),
  ];
}

/** The same bytes to a lenient reader: the last character has bits that no byte takes. */
export function withUnusedBits(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return `${text.slice(0, -1)}${alphabet[alphabet.indexOf(text.at(-1) ?? '') + 1]}`;
}

export async function iterations() {
  const seal = async (path: string, fill: number, value: unknown) =>
    (await field('', { table: 'aiMissions', recordId: MISSION_ID, version: 1, path }, fill, value))
      .text;
  const at = `iterations/${ITERATION_ID}`;
  const params = { title: 'Zahnarzt anrufen', dueDate: '2026-11-25' };
  const readable = {
    id: ITERATION_ID,
    startedAt: '2026-11-24T12:00:00.000Z',
    finishedAt: '2026-11-24T12:00:04.000Z',
    source: 'server',
    overallStatus: 'awaiting-review',
  };
  const [first, second] = [`${ITERATION_ID}-0`, `${ITERATION_ID}-1`];
  return {
    about:
      "An iteration as the runner writes it and a device opens it, under version 1 of the mission's record key (record-keys.json). Paths: iterations/<iterationId>/summary, iterations/<iterationId>/plan/<stepId>/summary, rationale, params, body.",
    masterKey: b64u(MASTER),
    missionId: MISSION_ID,
    version: 1,
    iteration: {
      ...readable,
      summary: 'Zwei Vorschläge',
      plan: [
        {
          id: first,
          status: 'planned',
          summary: 'Aufgabe anlegen',
          rationale: 'Steht in der Notiz',
          intent: { kind: 'toolCall', toolName: 'create_task', params },
        },
        {
          id: second,
          status: 'planned',
          summary: 'Hinweis',
          intent: { kind: 'note', body: 'Die Praxis hat mittwochs zu.' },
        },
      ],
    },
    stored: {
      ...readable,
      summary: await seal(`${at}/summary`, 210, 'Zwei Vorschläge'),
      plan: [
        {
          id: first,
          status: 'planned',
          summary: await seal(`${at}/plan/${first}/summary`, 211, 'Aufgabe anlegen'),
          rationale: await seal(`${at}/plan/${first}/rationale`, 212, 'Steht in der Notiz'),
          intent: {
            kind: 'toolCall',
            toolName: 'create_task',
            params: await seal(`${at}/plan/${first}/params`, 213, params),
          },
        },
        {
          id: second,
          status: 'planned',
          summary: await seal(`${at}/plan/${second}/summary`, 214, 'Hinweis'),
          intent: {
            kind: 'note',
            body: await seal(`${at}/plan/${second}/body`, 215, 'Die Praxis hat mittwochs zu.'),
          },
        },
      ],
    },
  };
}

export function legacy() {
  const of = (name: string, fill: number, value: unknown) => {
    const iv = Buffer.from(bytes(fill, 12));
    return { name, iv: b64u(iv), value, text: independent.sealLegacyField(MASTER, value, iv) };
  };
  return {
    about:
      'The older format, read only to be replaced: enc:1: base64(iv) . base64(AES-256-GCM ciphertext and tag of the JSON text) under the master key itself, without additional data. The base64 is padded and not base64url.',
    masterKey: b64u(MASTER),
    vectors: [
      of('a text', 220, 'Zahnarzt anrufen'),
      of('a list', 221, ['a', 'b']),
      of('an object', 222, { a: { b: 1 } }),
    ],
  };
}

const SCOPE = [`notes:${NOTE_ID}`, 'tasks:t-1'];

export async function grants() {
  const runner = independent.privateKeyOf('x25519', RUNNER_SEED);
  const signing = independent.privateKeyOf('ed25519', SIGNING_SEED);
  const [signingKey] = await importSigningKeys(
    signing.export({ type: 'pkcs8', format: 'pem' }) as string,
  );
  if (signingKey === undefined) throw new Error('no signing key');
  const exported = signing.export({ format: 'jwk' });
  const { kty, crv, x } = runner.export({ format: 'jwk' });
  const recipient = await importRunnerPublicKey({ kty, crv, x });
  const claims = {
    sub: USER_ID,
    jti: '3d6f0a52-6c1d-4f0b-8e7a-0d9c2b1a4e5f',
    iat: IAT,
    nbf: IAT,
    exp: IAT + 7 * 86_400,
    mission: MISSION_ID,
    records: SCOPE,
    llm: 'local' as const,
  };
  const keysJwe = await sealKeysWithFixed(
    {
      recipient,
      userId: USER_ID,
      missionId: MISSION_ID,
      expiresAtSec: claims.exp,
      keys: scopeKeys(),
    },
    { ephemeralKey: await ephemeralKey(), contentKey: CONTENT_KEY.slice(), iv: bytes(230, 12) },
  );
  return {
    about:
      'A grant: its sealed keys (compact JWE: ECDH-ES+A256KW on X25519, A256GCM) and its token (compact JWS: Ed25519). Private keys are the 32 bytes of RFC 8410. The JWE comes from ephemeralKey, contentKey and iv; a real one takes random ones.',
    runnerPrivateKey: b64u(RUNNER_SEED),
    runnerKid: recipient.kid,
    signingPrivateKey: b64u(SIGNING_SEED),
    signingJwk: signingKey.publicJwk,
    signingPublicX: exported.x,
    ephemeralKey: b64u(EPHEMERAL_SEED),
    contentKey: b64u(CONTENT_KEY),
    iv: b64u(bytes(230, 12)),
    plaintext: Object.fromEntries(
      Array.from(scopeKeys(), ([record, keys]) => [
        record,
        Object.fromEntries(Array.from(keys, ([version, key]) => [version, b64u(key)])),
      ]),
    ),
    keysJwe,
    keysHash: await hashOfKeys(keysJwe),
    claims,
    token: await mintGrant({ signingKey, claims, keysJwe }),
  };
}

/** In the order of the plaintext: sorted by `table:id`. */
function scopeKeys(): Map<string, Map<number, Uint8Array>> {
  return new Map([
    [`aiMissions:${MISSION_ID}`, new Map([keyEntry('aiMissions', MISSION_ID, 1)])],
    [`notes:${NOTE_ID}`, new Map([keyEntry('notes', NOTE_ID, 1), keyEntry('notes', NOTE_ID, 2)])],
    ['tasks:t-1', new Map([keyEntry('tasks', 't-1', 1)])],
  ]);
}

function keyEntry(table: string, recordId: string, version: number): [number, Uint8Array] {
  return [version, Uint8Array.from(independent.recordKey(MASTER, table, recordId, version))];
}

async function ephemeralKey(): Promise<CryptoKey> {
  const pkcs8 = independent
    .privateKeyOf('x25519', EPHEMERAL_SEED)
    .export({ type: 'pkcs8', format: 'der' });
  return crypto.subtle.importKey('pkcs8', Uint8Array.from(pkcs8), { name: 'X25519' }, true, [
    'deriveBits',
  ]);
}
