import type { OwnKeys } from '../carry-out/index.ts';
import {
  deriveRecordKeys,
  encryptRecord,
  importAppKey,
  importMasterKey,
  missionRef,
  openIteration,
  openRecord,
  type RecordKeys,
} from '../grants/index.ts';
import type { OwnerMission } from '../missions/views.ts';
import { ApiError, type Api } from './api.ts';
import { CliError, EXIT } from './cli-error.ts';
import { readText } from './settings.ts';

/** Opens on this machine what is encrypted; the server sees ciphertext alone. */
export type Opener = {
  /** with opened texts; what does not open stays as it is */
  open(mission: OwnerMission): Promise<OwnerMission>;
  /** the texts of a new mission, encrypted under its record key */
  seal(missionId: string, fields: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** the person's master key, in both of its uses; null where it cannot be had */
  ownKeys(): Promise<OwnKeys | null>;
};

const VERSIONS = /enc:2:([1-9]\d{0,9}):/g;
/** Each version costs a derivation, and the text comes from a server. */
const MOST_VERSIONS = 32;

/**
 * The master key comes from a file (base64), or from the vault at mana-auth, and only once
 * something asks for it.
 */
export function createOpener(
  api: Api,
  keyFile: string | null,
  note: (text: string) => void,
): Opener {
  let fetched: Promise<OwnKeys | null> | undefined;
  const ownKeys = (): Promise<OwnKeys | null> => (fetched ??= fetchKeys(api, keyFile, note));
  const key = async (): Promise<CryptoKey | null> => (await ownKeys())?.masterKey ?? null;
  return {
    ownKeys,
    open: async (mission) => {
      const versions = versionsIn(mission);
      if (versions.length === 0) return mission;
      const master = await key();
      return master === null
        ? mission
        : openMission(mission, await deriveRecordKeys(master, missionRef(mission.id), versions));
    },
    seal: async (missionId, record) => {
      const master = await key();
      if (master === null)
        throw new CliError(EXIT.refused, 'There is no master key to encrypt with.');
      const ref = missionRef(missionId);
      const keys = await deriveRecordKeys(master, ref, [1]);
      return encryptRecord({
        keys,
        version: 1,
        ref,
        record,
        fields: ['title', 'objective', 'conceptMarkdown'],
      });
    },
  };
}

function versionsIn(mission: OwnerMission): number[] {
  const found = Array.from(JSON.stringify(mission).matchAll(VERSIONS), ([, version]) =>
    Number(version),
  );
  return [...new Set(found)].slice(0, MOST_VERSIONS);
}

async function openMission(mission: OwnerMission, keys: RecordKeys): Promise<OwnerMission> {
  const { title, objective } = mission;
  const texts = await openRecord({
    keys,
    ref: missionRef(mission.id),
    record: { title, objective },
  });
  const iterations = mission.iterations.map(async (item) => {
    if (typeof item !== 'object' || item === null) return item;
    const opened = await openIteration({
      keys,
      missionId: mission.id,
      iteration: item as Record<string, unknown>,
    });
    return opened.ok ? opened.iteration : item;
  });
  return {
    ...mission,
    ...(texts.ok ? texts.record : {}),
    iterations: await Promise.all(iterations),
  };
}

async function fetchKeys(
  api: Api,
  keyFile: string | null,
  note: (text: string) => void,
): Promise<OwnKeys | null> {
  const text = keyFile === null ? await keyOfVault(api, note) : readText(keyFile).trim();
  if (text === null) return null;
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text))
    throw new CliError(EXIT.usage, 'The master key wants to be base64 of 32 bytes.');
  const bytes = (): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, 'base64'));
  return { masterKey: await importMasterKey(bytes()), appKey: await importAppKey(bytes()) };
}

async function keyOfVault(api: Api, note: (text: string) => void): Promise<string | null> {
  try {
    const answer = (await api.auth('/api/v1/me/encryption-vault/key')) as { masterKey?: unknown };
    if (typeof answer.masterKey === 'string') return answer.masterKey;
    note(
      'Your vault is in zero-knowledge mode: give --key-file FILE with the master key (base64) to read what is encrypted.',
    );
  } catch (thrown) {
    if (!(thrown instanceof ApiError)) throw thrown;
    note(`The master key cannot be had, so what is encrypted stays so: ${thrown.message}`);
  }
  return null;
}
