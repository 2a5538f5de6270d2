/** The vectors, checked by the module as it is published. Run in Node and in workerd: both must agree with the files and so with each other. */
import * as grants from '../../src/grants/index.ts';
import fields from './fields.json';
import goodGrant from './grants.json';
import iterations from './iterations.json';
import legacy from './legacy.json';
import names from './names.json';
import recordKeys from './record-keys.json';
import refusedKeys from './refused-keys.json';
import refusedTokens from './refused-tokens.json';

/** One check: what it found and what it had to find, to be compared by the test's own means. */
export type Check = { name: string; run: () => Promise<{ found: unknown; wanted: unknown }> };

export const CHECKS: readonly Check[] = [
  ...nameChecks(),
  ...recordKeys.vectors.map(recordKeyCheck),
  ...fields.vectors.map((vector) => fieldCheck(vector, { ok: true, value: vector.value })),
  ...fields.refused.map((vector) => fieldCheck(vector, { ok: false, reason: vector.reason })),
  iterationCheck(),
  legacyCheck(),
  ...grantChecks(),
  ...refusedTokens.vectors.map(({ name, token, reason }) =>
    tokenCheck(name, token, { ok: false, reason }),
  ),
  tokenCheck('the accepted one', refusedTokens.accepted, { ok: true, claims: refusedKeys.claims }),
  ...refusedKeys.vectors.map(keysCheck),
  acceptedKeysCheck(),
];

function nameChecks(): Check[] {
  const all = ['tables', 'ids'] as const;
  const is = { tables: grants.isTableName, ids: grants.isRecordName };
  const { allowedCodeUnits, refusedCodeUnits } = names.ids;
  return [
    ...all.map((kind) =>
      nameCheck(`${kind} allowed`, names[kind].allowed.filter(is[kind]), names[kind].allowed),
    ),
    ...all.map((kind) => nameCheck(`${kind} refused`, names[kind].refused.filter(is[kind]), [])),
    nameCheck('code units allowed', allowedCodeUnits.every(isNameOfUnits), true),
    nameCheck('code units refused', refusedCodeUnits.some(isNameOfUnits), false),
    nameCheck(
      'refs allowed',
      names.refs.allowed.map(({ text }) => grants.parseRecordRef(text)),
      names.refs.allowed.map(({ table, recordId }) => ({ tableName: table, recordId })),
    ),
    nameCheck(
      'refs refused',
      names.refs.refused.filter((text) => grants.parseRecordRef(text) !== null),
      [],
    ),
  ];
}

function isNameOfUnits(units: number[]): boolean {
  return grants.isRecordName(String.fromCharCode(...units));
}

function nameCheck(name: string, found: unknown, wanted: unknown): Check {
  return { name: `names: ${name}`, run: async () => ({ found, wanted }) };
}

function recordKeyCheck({
  table,
  recordId,
  version,
  key,
}: (typeof recordKeys.vectors)[number]): Check {
  return {
    name: `record key of ${table}:${recordId}, version ${version}`,
    run: async () => {
      const master = await grants.importMasterKey(bytesOf(recordKeys.masterKey));
      const found = await grants.deriveRecordKeyBytes(
        master,
        { tableName: table, recordId },
        version,
      );
      return { found: textOf(found), wanted: key };
    },
  };
}

type FieldVector = { name: string; table: string; recordId: string; path: string; text: string };

function fieldCheck({ name, table, recordId, path, text }: FieldVector, wanted: unknown): Check {
  return {
    name: `field: ${name}`,
    run: async () => {
      const ref = { tableName: table, recordId };
      const known =
        grants.parseRecordRef(`${table}:${recordId}`) === null
          ? fields.vectors[0]
          : { table, recordId };
      const keys = await keysFor(
        fields.masterKey,
        { tableName: table, recordId: known?.recordId ?? '' },
        [1, 2],
      );
      return { found: await grants.decryptField({ keys, ref, path, text }), wanted };
    },
  };
}

function iterationCheck(): Check {
  return {
    name: 'an iteration opens as on a device',
    run: async () => {
      const { masterKey, missionId, stored, iteration } = iterations;
      const keys = await keysFor(masterKey, grants.missionRef(missionId), [1]);
      const found = await grants.openIteration({ keys, missionId, iteration: stored });
      return { found, wanted: { ok: true, iteration } };
    },
  };
}

function legacyCheck(): Check {
  return {
    name: 'legacy fields are read and written anew',
    run: async () => {
      const ref = { tableName: 'notes', recordId: 'n-1' };
      const keys = await keysFor(legacy.masterKey, ref, [1]);
      const legacyKey = await grants.importLegacyMasterKey(bytesOf(legacy.masterKey));
      const record = Object.fromEntries(legacy.vectors.map(({ text }, at) => [`field${at}`, text]));
      const anew = await grants.reencryptLegacyRecord({ legacyKey, keys, version: 1, ref, record });
      const found = await grants.openRecord({ keys, ref, record: anew.ok ? anew.record : {} });
      return {
        found,
        wanted: {
          ok: true,
          record: Object.fromEntries(legacy.vectors.map(({ value }, at) => [`field${at}`, value])),
        },
      };
    },
  };
}

function grantChecks(): Check[] {
  const { claims, token, keysJwe, keysHash, plaintext } = goodGrant;
  const verified = async () =>
    grants.verifyGrant({
      token,
      keyOf: await grants.grantKeyFinder({ keys: [goodGrant.signingJwk] }),
      userId: claims.sub,
      missionId: claims.mission,
      nowMs: claims.iat * 1000,
    });
  const wanted = { ok: true, claims: { iss: 'mana-auth', aud: 'mana-ai', ...claims, keysHash } };
  return [
    { name: 'the grant verifies', run: async () => ({ found: await verified(), wanted }) },
    {
      name: 'the grant opens: each record in each version',
      run: async () => {
        const grant = await verified();
        const privateKeys = await privateKeysOf(goodGrant.runnerPrivateKey);
        const opened = grant.ok
          ? await grants.openGrantKeys({ claims: grant.claims, keysJwe, privateKeys })
          : grant;
        const found = opened.ok
          ? Array.from(opened.keys, ([record, keys]) => [
              record,
              Array.from(keys.keys()).map(String),
            ])
          : opened;
        return {
          found,
          wanted: Object.entries(plaintext).map(([record, keys]) => [record, Object.keys(keys)]),
        };
      },
    },
    {
      name: "mana-auth's look at the header",
      run: async () => ({
        found: grants.checkSealedHeader({
          keysJwe,
          userId: claims.sub,
          missionId: claims.mission,
          grantExpSec: claims.exp,
          knownKids: [goodGrant.runnerKid],
        }),
        wanted: { ok: true },
      }),
    },
  ];
}

function tokenCheck(name: string, token: string, wanted: unknown): Check {
  return {
    name: `token: ${name}`,
    run: async () => {
      const keyOf = await grants.grantKeyFinder(refusedTokens.keySet);
      const { userId, missionId, nowSec } = refusedTokens;
      return {
        found: await grants.verifyGrant({ token, keyOf, userId, missionId, nowMs: nowSec * 1000 }),
        wanted,
      };
    },
  };
}

function keysCheck({
  name,
  keysJwe,
  keysHash,
  reason,
}: (typeof refusedKeys.vectors)[number]): Check {
  return {
    name: `keys: ${name}`,
    run: async () => ({ found: await openKeys(keysJwe, keysHash), wanted: { ok: false, reason } }),
  };
}

function acceptedKeysCheck(): Check {
  return {
    name: 'keys: the accepted ones',
    run: async () => {
      const keysJwe = refusedKeys.accepted;
      return {
        found: (await openKeys(keysJwe, await grants.hashOfKeys(keysJwe))).ok,
        wanted: true,
      };
    },
  };
}

async function openKeys(keysJwe: string, keysHash: string): Promise<grants.OpenedGrant> {
  const claims = { ...refusedKeys.claims, keysHash } as grants.GrantClaims;
  return grants.openGrantKeys({
    claims,
    keysJwe,
    privateKeys: await privateKeysOf(refusedKeys.runnerPrivateKey),
  });
}

async function keysFor(
  masterKey: string,
  ref: grants.RecordRef,
  versions: number[],
): Promise<grants.RecordKeys> {
  return grants.deriveRecordKeys(await grants.importMasterKey(bytesOf(masterKey)), ref, versions);
}

async function privateKeysOf(seed: string): Promise<grants.RunnerPrivateKey[]> {
  const der = [...hexBytes('302e020100300506032b656e04220420'), ...bytesOf(seed)];
  const body = btoa(String.fromCharCode(...der));
  return grants.importRunnerPrivateKeys(
    `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`,
  );
}

function hexBytes(text: string): number[] {
  return Array.from(text.matchAll(/../g), ([byte]) => Number.parseInt(byte, 16));
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function textOf(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
