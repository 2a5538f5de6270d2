import type { Client } from 'pg';
import {
  deriveRecordKeys,
  encryptRecord,
  importMasterKey,
  missionRef,
  openIteration,
  type RecordKeys,
  type RecordRef,
} from '../../src/grants/index.ts';
import { isRecord } from '../../src/values/fields.ts';
import { type DemoRecord, DEMO_USER, insertRecord } from './demo-data.ts';

/** Where the demo user's device finds the Workers, and its user token. */
export type DeviceAccess = { manaAi: string; manaAuth: string; token: string };

/** The Workers of this machine. */
export function workersAt(
  port: number,
  authPort: number,
): Pick<DeviceAccess, 'manaAi' | 'manaAuth'> {
  return { manaAi: `http://127.0.0.1:${port}`, manaAuth: `http://127.0.0.1:${authPort}` };
}

const NOTES: readonly DemoRecord[] = [
  note(
    'demo-note-garden',
    'Garden',
    'The roses need cutting before the frost. Ask Mira for the good shears.',
  ),
  note(
    'demo-note-seeds',
    'Seeds',
    'Order tomatoes (Black Cherry) and basil. The old packets are from 2023.',
  ),
];

const TASKS: readonly DemoRecord[] = [
  task('demo-task-shears', 'Fetch the shears from Mira'),
  task('demo-task-compost', 'Turn the compost'),
  task('demo-task-order', 'Order seeds for spring'),
];

const AGENT: DemoRecord = {
  appId: 'ai',
  table: 'agents',
  id: 'demo-gardener',
  data: {
    name: 'Gardener',
    role: 'Keeps the garden in mind',
    systemPrompt: 'You know gardens. You are brief and practical.',
    memory: 'The garden lies in the shade until noon.',
    state: 'active',
    maxConcurrentMissions: 1,
    maxTokensPerDay: 100_000,
    policy: { tools: {}, defaultsByModule: {}, defaultForAi: 'propose' },
  },
};

const ENCRYPTED_FIELDS: Readonly<Record<string, readonly string[]>> = {
  notes: ['title', 'content'],
  tasks: ['title', 'description'],
  agents: ['systemPrompt', 'memory'],
  aiMissions: ['title', 'objective', 'conceptMarkdown'],
};

/**
 * Two missions over encrypted records, made as a device of the demo user makes them: a master key
 * from the vault, records encrypted under keys of their own, a grant for exactly these records.
 * 'demo-notes' is due at once; 'demo-garden' runs when it is asked to.
 */
export async function seedEncryptedDemo(
  client: Client,
  access: DeviceAccess,
  nowMs: number,
): Promise<void> {
  const known = await client.query(
    `select 1 from sync_changes where user_id = $1 and record_id = 'demo-notes' limit 1`,
    [DEMO_USER],
  );
  if (known.rowCount !== 0) return;
  const device = await DemoDevice.open(access);
  for (const record of [...NOTES, ...TASKS, AGENT])
    await insertRecord(client, await device.encrypted(record), nowMs);
  const garden = { agentId: AGENT.id, inputs: NOTES.map(inputOf) };
  const missions = [
    mission(
      'demo-notes',
      'What my notes ask for',
      'Read my two notes and propose a task for each.',
      {
        inputs: NOTES.map(inputOf),
        cadence: { kind: 'daily', atHour: 7, atMinute: 30 },
        nextRunAt: new Date(nowMs).toISOString(),
        grant: await device.grant('demo-notes', NOTES),
      },
    ),
    mission(
      'demo-garden',
      'The garden this week',
      'Read my notes and look at my open tasks, then propose what to do.',
      {
        ...garden,
        cadence: { kind: 'manual' },
        nextRunAt: null,
        grant: await device.grant('demo-garden', [...NOTES, ...TASKS, AGENT]),
      },
    ),
  ];
  for (const record of missions) await insertRecord(client, await device.encrypted(record), nowMs);
}

/** The demo user's side of encryption; what it opens is shown to its user alone. */
export class DemoDevice {
  readonly #access: DeviceAccess;
  readonly #masterKey: CryptoKey;

  private constructor(access: DeviceAccess, masterKey: CryptoKey) {
    this.#access = access;
    this.#masterKey = masterKey;
  }

  /** Asks the vault for the master key, or for a new one. */
  static async open(access: DeviceAccess): Promise<DemoDevice> {
    const answer = await ask(access, `${access.manaAuth}/api/v1/me/encryption-vault/init`, {});
    if (typeof answer['masterKey'] !== 'string') throw new Error('the vault gave no master key');
    return new DemoDevice(
      access,
      await importMasterKey(new Uint8Array(Buffer.from(answer['masterKey'], 'base64'))),
    );
  }

  async encrypted(record: DemoRecord): Promise<DemoRecord> {
    const ref = { tableName: record.table, recordId: record.id };
    const keys = await this.#keys(ref);
    const fields = ENCRYPTED_FIELDS[record.table] ?? [];
    return {
      ...record,
      data: await encryptRecord({ keys, version: 1, ref, record: record.data, fields }),
    };
  }

  /** The grant as mana-auth answers, which is how it stands in the mission. */
  async grant(missionId: string, records: readonly DemoRecord[]): Promise<Record<string, unknown>> {
    const recordIds = records.map(({ table, id }) => `${table}:${id}`);
    const tables = [...new Set(records.map(({ table }) => table))];
    return ask(this.#access, `${this.#access.manaAuth}/api/v1/me/ai-mission-grant`, {
      missionId,
      tables,
      recordIds,
    });
  }

  /** The mission's iterations in the clear. */
  async iterations(missionId: string): Promise<unknown[]> {
    const { missions } = await ask(this.#access, `${this.#access.manaAi}/api/v1/me/missions`);
    const found = (Array.isArray(missions) ? missions : []).find(
      (entry) => isRecord(entry) && entry['id'] === missionId,
    );
    if (!isRecord(found)) throw new Error(`there is no mission ${missionId}`);
    const keys = await this.#keys(missionRef(missionId));
    const iterations = Array.isArray(found['iterations'])
      ? found['iterations'].filter(isRecord)
      : [];
    return Promise.all(
      iterations.map(async (iteration) => {
        const opened = await openIteration({ keys, missionId, iteration });
        if (!opened.ok) throw new Error(`an iteration does not open: ${opened.reason}`);
        return opened.iteration;
      }),
    );
  }

  async #keys(ref: RecordRef): Promise<RecordKeys> {
    return deriveRecordKeys(this.#masterKey, ref, [1]);
  }
}

async function ask(
  { token }: DeviceAccess,
  url: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const init =
    body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
  const response = await fetch(url, init);
  const answer: unknown = await response.json();
  if (!response.ok || !isRecord(answer))
    throw new Error(`${new URL(url).pathname} answered ${response.status}`);
  return answer;
}

function note(id: string, title: string, content: string): DemoRecord {
  return { appId: 'notes', table: 'notes', id, data: { title, content } };
}

function task(id: string, title: string): DemoRecord {
  return {
    appId: 'todo',
    table: 'tasks',
    id,
    data: { title, description: '', isCompleted: false },
  };
}

function mission(
  id: string,
  title: string,
  objective: string,
  fields: Record<string, unknown>,
): DemoRecord {
  const data = {
    title,
    objective,
    conceptMarkdown: '',
    state: 'active',
    iterations: [],
    ...fields,
  };
  return { appId: 'ai', table: 'aiMissions', id, data };
}

function inputOf({ appId, table, id }: DemoRecord): Record<string, string> {
  return { module: appId, table, id };
}
