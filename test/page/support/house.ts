import { randomBytes, randomUUID } from 'node:crypto';
import {
  deriveRecordKeys,
  encryptField,
  encryptIteration,
  encryptRecord,
  importMasterKey,
  missionRef,
} from '../../../src/grants/index.ts';
import { migrate } from '../../../scripts/migrate.ts';
import { writeRecord } from '../../system/support/device.ts';
import { type LlmStub, startLlmStub } from '../../system/support/llm-stub.ts';
import { grantKeys } from '../../system/support/person.ts';
import { startPostgres, type TestPostgres } from '../../system/support/postgres.ts';
import { type Runner, SERVICE_KEY, startRunner } from '../../system/support/runner.ts';

export type House = {
  postgres: TestPostgres;
  llm: LlmStub;
  runner: Runner;
  dispose(): Promise<void>;
};

/** PostgreSQL, a scripted model, both Workers and the console, as `npm run serve` starts them. */
export async function openHouse(environment: Record<string, string> = {}): Promise<House> {
  const postgres = await startPostgres();
  await migrate(postgres.databaseUrl);
  const llm = await startLlmStub();
  const runner = await startRunner({
    databaseUrl: postgres.databaseUrl,
    llmUrl: llm.url,
    environment: {
      ...(await grantKeys()),
      MANA_AUTH_KEK: randomBytes(32).toString('base64'),
      MANA_TIME_ZONE: 'Europe/Berlin',
      ...environment,
    },
  });
  const dispose = async (): Promise<void> => {
    await runner.dispose();
    await llm.close();
    await postgres.stop();
  };
  return { postgres, llm, runner, dispose };
}

export type StepSpec = { summary: string; toolName?: string; params?: Record<string, unknown> };

/** Somebody with a vault whose devices write encrypted missions, plans and tasks into the log. */
export class Resident {
  readonly userId: string = randomUUID();
  readonly #house: House;
  #masterKey: CryptoKey | undefined;

  constructor(house: House) {
    this.#house = house;
  }

  async auth(path: string, init: RequestInit = {}): Promise<Response> {
    const token = await this.#house.runner.userToken(this.userId);
    return fetch(`${this.#house.runner.authUrl}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    });
  }

  async api<T>(path: string, init: RequestInit = {}): Promise<T> {
    return (await this.#house.runner.asUser(this.userId, path, init)).json() as Promise<T>;
  }

  /** A link that signs this person in at the console. */
  async link(): Promise<string> {
    const response = await fetch(`${this.#house.runner.authUrl}/internal/sign-in-links`, {
      method: 'POST',
      headers: { 'x-service-key': SERVICE_KEY, 'content-type': 'application/json' },
      body: JSON.stringify({ userId: this.userId }),
    });
    return ((await response.json()) as { url: string }).url;
  }

  /** The master key of the vault, which is made on first use. */
  async masterKey(): Promise<CryptoKey> {
    if (this.#masterKey !== undefined) return this.#masterKey;
    const response = await this.auth('/api/v1/me/encryption-vault/init', { method: 'POST' });
    const { masterKey } = (await response.json()) as { masterKey: string };
    this.#masterKey = await importMasterKey(new Uint8Array(Buffer.from(masterKey, 'base64')));
    return this.#masterKey;
  }

  /** A mission with one plan that waits, all of it encrypted; the ids of its steps. */
  async plan(
    steps: readonly StepSpec[],
    { missionId = randomUUID(), title = 'Groceries' }: { missionId?: string; title?: string } = {},
  ): Promise<{ missionId: string; iterationId: string; stepIds: string[] }> {
    const iterationId = randomUUID();
    const plan = steps.map((step, index) => stepOf(step, `${iterationId}-${index}`));
    const iteration = await this.sealedIteration(missionId, iterationOf(iterationId, plan));
    const ref = missionRef(missionId);
    const texts = await encryptRecord({
      keys: await deriveRecordKeys(await this.masterKey(), ref, [1]),
      version: 1,
      ref,
      record: { title, objective: 'Plan what to buy.', conceptMarkdown: '' },
      fields: ['title', 'objective'],
    });
    await writeRecord(this.#house.postgres, {
      userId: this.userId,
      recordId: missionId,
      data: {
        ...texts,
        state: 'active',
        cadence: { kind: 'weekly', dayOfWeek: 5, atHour: 17, atMinute: 0 },
        nextRunAt: new Date(Date.now() + 86_400_000).toISOString(),
        inputs: [],
        iterations: [iteration],
      },
    });
    return { missionId, iterationId, stepIds: plan.map(({ id }) => id) };
  }

  async sealedIteration(
    missionId: string,
    iteration: Record<string, unknown>,
  ): Promise<Record<string, unknown>> {
    const keys = await deriveRecordKeys(await this.masterKey(), missionRef(missionId), [1]);
    return encryptIteration({ keys, version: 1, missionId, iteration });
  }

  /** A device writes the plan anew, with other words in its steps. */
  async rewritePlan(
    { missionId, iterationId }: { missionId: string; iterationId: string },
    steps: readonly StepSpec[],
  ): Promise<void> {
    const plan = steps.map((step, index) => stepOf(step, `${iterationId}-${index}`));
    const iteration = await this.sealedIteration(missionId, iterationOf(iterationId, plan));
    await writeRecord(this.#house.postgres, {
      userId: this.userId,
      recordId: missionId,
      op: 'update',
      data: { iterations: [iteration] },
    });
  }

  async task(id: string, title: string): Promise<void> {
    const ref = { tableName: 'tasks', recordId: id };
    const keys = await deriveRecordKeys(await this.masterKey(), ref, [1]);
    await writeRecord(this.#house.postgres, {
      userId: this.userId,
      recordId: id,
      appId: 'todo',
      table: 'tasks',
      data: {
        title: await encryptField({ keys, version: 1, ref, path: 'title', value: title }),
        isCompleted: false,
      },
    });
  }

  /** What stands in the log of an app. */
  async rows(appId: string): Promise<Record<string, unknown>[]> {
    return this.#house.postgres.query(
      `select table_name, record_id, op, data, client_id from sync_changes
       where user_id = $1 and app_id = $2 order by created_at`,
      [this.userId, appId],
    );
  }
}

function stepOf({ summary, toolName, params }: StepSpec, id: string) {
  const intent =
    toolName === undefined
      ? { kind: 'note', body: summary }
      : { kind: 'toolCall', toolName, params: params ?? {} };
  return { id, summary, rationale: 'It brings the mission forward.', status: 'staged', intent };
}

function iterationOf(id: string, plan: readonly unknown[]): Record<string, unknown> {
  const at = new Date().toISOString();
  return {
    id,
    startedAt: at,
    finishedAt: at,
    source: 'server',
    overallStatus: 'awaiting-review',
    summary: 'Three things for the week.',
    plan,
  };
}

/** A plan of tasks, one a title. */
export function tasksOf(...titles: readonly string[]): StepSpec[] {
  return titles.map((title) => ({
    summary: `Create task '${title}'`,
    toolName: 'create_task',
    params: { title },
  }));
}
