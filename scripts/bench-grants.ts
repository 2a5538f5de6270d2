/**
 * What grants cost, as medians: `npm run bench:grants`. WebCrypto of this Node; workerd's is of the
 * same order.
 */
import { generateKeyPairSync } from 'node:crypto';
import {
  decryptField,
  deriveRecordKeyBytes,
  deriveRecordKeys,
  encryptField,
  grantKeyFinder,
  importMasterKey,
  importRunnerPrivateKeys,
  importRunnerPublicKey,
  importSigningKeys,
  mintGrant,
  missionRef,
  openGrantKeys,
  type RecordRef,
  sealKeys,
  sortedScope,
  verifyGrant,
} from '../src/grants/index.ts';

const USER_ID = 'user-1';
const MISSION_ID = '0f8fad5b-d9cb-469f-a165-70867728950e';
const NOW_SEC = 1_795_521_600;
const EXPIRES_SEC = NOW_SEC + 7 * 86_400;
const SCOPES = [1, 100, 1_000] as const;
const FIELD_CHARACTERS = [32, 1_000, 100_000] as const;

/** Medians over runs, in milliseconds; the first fifth warms up. */
async function medianMs(runs: number, work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  const measured = times.slice(Math.floor(runs / 5)).toSorted((a, b) => a - b);
  return measured[Math.floor(measured.length / 2)] ?? Number.NaN;
}

function pem(type: 'x25519' | 'ed25519', half: 'privateKey' | 'publicKey'): string {
  const pair = type === 'x25519' ? RUNNER_PAIR : SIGNING_PAIR;
  return String(
    pair[half].export({ format: 'pem', type: half === 'privateKey' ? 'pkcs8' : 'spki' }),
  );
}

const RUNNER_PAIR = generateKeyPairSync('x25519');
const SIGNING_PAIR = generateKeyPairSync('ed25519');
const master = await importMasterKey(crypto.getRandomValues(new Uint8Array(32)));
const recipient = await importRunnerPublicKey(pem('x25519', 'publicKey'));
const privateKeys = await importRunnerPrivateKeys(pem('x25519', 'privateKey'));
const [signingKey = raise('no signing key')] = await importSigningKeys(
  pem('ed25519', 'privateKey'),
);
const keyOf = await grantKeyFinder({ keys: [signingKey.publicJwk] });

/** As mana-auth does it for a person whose master key is in the vault: derive, seal, sign. */
async function mint(refs: readonly RecordRef[]): Promise<{ token: string; keysJwe: string }> {
  const entries = [...refs, missionRef(MISSION_ID)].map(async (ref) => {
    const key = await deriveRecordKeyBytes(master, ref, 1);
    return [`${ref.tableName}:${ref.recordId}`, new Map([[1, key]])] as const;
  });
  const keys = new Map(await Promise.all(entries));
  const keysJwe = await sealKeys({
    recipient,
    userId: USER_ID,
    missionId: MISSION_ID,
    expiresAtSec: EXPIRES_SEC,
    keys,
  });
  const records = sortedScope(refs.map(({ tableName, recordId }) => `${tableName}:${recordId}`));
  const times = { iat: NOW_SEC, nbf: NOW_SEC, exp: EXPIRES_SEC };
  const claims = {
    sub: USER_ID,
    jti: 'grant-1',
    ...times,
    mission: MISSION_ID,
    records,
    llm: 'any' as const,
  };
  return { token: await mintGrant({ signingKey, claims, keysJwe }), keysJwe };
}

/** As the runner does it before a run: verify the token, open all keys. */
async function open({ token, keysJwe }: { token: string; keysJwe: string }): Promise<void> {
  const verified = await verifyGrant({
    token,
    keyOf,
    userId: USER_ID,
    missionId: MISSION_ID,
    nowMs: NOW_SEC * 1000,
  });
  if (!verified.ok) throw new Error(verified.reason);
  const opened = await openGrantKeys({ claims: verified.claims, keysJwe, privateKeys });
  if (!opened.ok) throw new Error(opened.reason);
}

async function scopeRow(records: number) {
  const refs = Array.from({ length: records }, () => ({
    tableName: 'notes',
    recordId: crypto.randomUUID(),
  }));
  const runs = records > 100 ? 50 : 200;
  const grant = await mint(refs);
  return {
    records,
    'mint ms': rounded(await medianMs(runs, async () => mint(refs))),
    'open ms': rounded(await medianMs(runs, async () => open(grant))),
    'token bytes': grant.token.length,
    'keys bytes': grant.keysJwe.length,
  };
}

async function fieldRow(characters: number) {
  const ref = { tableName: 'notes', recordId: 'note-1' };
  const keys = await deriveRecordKeys(master, ref, [1]);
  const value = 'x'.repeat(characters);
  const field = { keys, version: 1, ref, path: 'body', value };
  const text = await encryptField(field);
  return {
    characters,
    'encrypt µs': rounded((await medianMs(2_000, async () => encryptField(field))) * 1000),
    'decrypt µs': rounded(
      (await medianMs(2_000, async () => decryptField({ keys, ref, path: 'body', text }))) * 1000,
    ),
  };
}

function raise(message: string): never {
  throw new Error(message);
}

function rounded(number: number): number {
  return Number(number.toPrecision(3));
}

const grantRows = [];
for (const records of SCOPES) grantRows.push(await scopeRow(records));
console.table(grantRows);
// The compiler has seen all of it before the first field is measured.
await fieldRow(32);
const fieldRows = [];
for (const characters of FIELD_CHARACTERS) fieldRows.push(await fieldRow(characters));
console.table(fieldRows);
