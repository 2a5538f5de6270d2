import { randomBytes, randomUUID } from 'node:crypto';
import { exportPKCS8, exportSPKI, generateKeyPair } from 'jose';
import {
  deriveRecordKeyBytes,
  deriveRecordKeys,
  encryptRecord,
  type GrantClaims,
  importMasterKey,
  importRunnerPublicKey,
  importSigningKeys,
  mintGrant,
  missionRef,
  type RecordKeys,
  type RecordRef,
  sealKeys,
  sortedScope,
} from '../../../src/grants/index.ts';
import { type Log, writeRecord } from './device.ts';

/** The keys of a set-up in which grants work, as variables of `serve`. */
export async function grantKeys(): Promise<Record<string, string>> {
  const runner = await generateKeyPair('ECDH-ES+A256KW', { crv: 'X25519', extractable: true });
  const signing = await generateKeyPair('Ed25519', { extractable: true });
  return {
    MANA_AI_PRIVATE_KEY_PEM: await exportPKCS8(runner.privateKey),
    MANA_AI_PUBLIC_KEY_PEM: await exportSPKI(runner.publicKey),
    MANA_GRANT_SIGNING_KEY_PEM: await exportPKCS8(signing.privateKey),
  };
}

/** What a test may do to a grant before it is signed or stored. */
export type GrantChanges = {
  records?: readonly string[];
  lifetimeSec?: number;
  issuedSecAgo?: number;
  llm?: GrantClaims['llm'];
  claims?: Partial<GrantClaims>;
  stored?: boolean;
};

export type Grant = {
  token: string;
  grantId: string;
  records: string[];
  llm: string;
  issuedAt: string;
  expiresAt: string;
};

function newcomer(): Pick<Person, 'userId' | 'masterKey'> {
  return { userId: randomUUID(), masterKey: importMasterKey(new Uint8Array(randomBytes(32))) };
}

/** Somebody who encrypts on their own device. The test plays mana-auth too, so that it can mint what mana-auth would not. */
export class Person {
  readonly userId: string;
  readonly #postgres: Log;
  readonly #keys: Record<string, string>;
  readonly #masterKey: Promise<CryptoKey>;

  constructor(
    postgres: Log,
    keys: Record<string, string>,
    self: Pick<Person, 'userId' | 'masterKey'> = newcomer(),
  ) {
    this.#postgres = postgres;
    this.#keys = keys;
    this.userId = self.userId;
    this.#masterKey = self.masterKey;
  }

  get masterKey(): Promise<CryptoKey> {
    return this.#masterKey;
  }

  /** The same person at another database. */
  on(postgres: Log): Person {
    return new Person(postgres, this.#keys, this);
  }

  async keysOf(ref: RecordRef, versions: readonly number[] = [1]): Promise<RecordKeys> {
    return deriveRecordKeys(await this.#masterKey, ref, versions);
  }

  async encrypted(
    ref: RecordRef,
    record: Record<string, unknown>,
    fields: readonly string[],
  ): Promise<Record<string, unknown>> {
    return encryptRecord({ keys: await this.keysOf(ref), version: 1, ref, record, fields });
  }

  /** A note as the app writes it. */
  async writeNote(id: string, note: { title: string; content: string }): Promise<void> {
    await this.#writeSecret({ appId: 'notes', table: 'notes', id }, note, ['title', 'content']);
  }

  /** A task as the app writes it: its day is no secret. */
  async writeTask(id: string, task: { title: string; dueDate?: string }): Promise<void> {
    await this.#writeSecret({ appId: 'todo', table: 'tasks', id }, task, ['title']);
  }

  async #writeSecret(
    { appId, table, id }: { appId: string; table: string; id: string },
    record: Record<string, unknown>,
    fields: readonly string[],
  ): Promise<void> {
    const data = await this.encrypted({ tableName: table, recordId: id }, record, fields);
    await writeRecord(this.#postgres, { userId: this.userId, recordId: id, appId, table, data });
  }

  async writeMission(id: string, fields: Record<string, unknown>): Promise<void> {
    const data = await this.encrypted(missionRef(id), fields, [
      'title',
      'objective',
      'conceptMarkdown',
    ]);
    await writeRecord(this.#postgres, { userId: this.userId, recordId: id, data });
  }

  async giveGrant(missionId: string, grant: Grant): Promise<void> {
    await writeRecord(this.#postgres, {
      userId: this.userId,
      recordId: missionId,
      op: 'update',
      data: { grant },
    });
  }

  /** A grant as mana-auth would mint it, but for what `changes` says. */
  async mint(missionId: string, changes: GrantChanges = {}): Promise<Grant> {
    const records = sortedScope(changes.records ?? []);
    const iat = Math.floor(Date.now() / 1_000) - (changes.issuedSecAgo ?? 0);
    const exp = iat + (changes.lifetimeSec ?? 7 * 86_400);
    const jti = randomUUID();
    const llm = changes.llm ?? 'any';
    const keysJwe = await this.#seal(missionId, records, exp);
    const claims = {
      sub: this.userId,
      jti,
      iat,
      nbf: iat,
      exp,
      mission: missionId,
      records,
      llm,
      ...changes.claims,
    };
    const [signingKey] = await importSigningKeys(this.#keys['MANA_GRANT_SIGNING_KEY_PEM'] ?? '');
    if (signingKey === undefined) throw new Error('no signing key');
    const token = await mintGrant({ signingKey, claims, keysJwe });
    if (changes.stored ?? true) await this.#store({ jti, missionId, keysJwe, iat, exp });
    const [issuedAt, expiresAt] = [iat, exp].map((seconds) =>
      new Date(seconds * 1_000).toISOString(),
    );
    return {
      token,
      grantId: jti,
      records,
      llm,
      issuedAt: issuedAt ?? '',
      expiresAt: expiresAt ?? '',
    };
  }

  async revoke(grantId: string): Promise<void> {
    await this.#postgres.query(
      `update mana_auth.grants set revoked_at = now(), keys_jwe = null where jti = $1`,
      [grantId],
    );
  }

  async #seal(missionId: string, records: readonly string[], exp: number): Promise<string> {
    const refs = [...records, `aiMissions:${missionId}`];
    const masterKey = await this.#masterKey;
    const keys = new Map<string, Map<number, Uint8Array<ArrayBuffer>>>();
    for (const ref of refs) {
      const [tableName = '', ...id] = ref.split(':');
      keys.set(
        ref,
        new Map([
          [1, await deriveRecordKeyBytes(masterKey, { tableName, recordId: id.join(':') }, 1)],
        ]),
      );
    }
    const recipient = await importRunnerPublicKey(this.#keys['MANA_AI_PUBLIC_KEY_PEM'] ?? '');
    return sealKeys({ recipient, userId: this.userId, missionId, expiresAtSec: exp, keys });
  }

  async #store(grant: {
    jti: string;
    missionId: string;
    keysJwe: string;
    iat: number;
    exp: number;
  }): Promise<void> {
    await this.#postgres.query(
      `insert into mana_auth.grants (jti, user_id, mission, keys_jwe, issued_at, expires_at)
       values ($1, $2, $3, $4, to_timestamp($5), to_timestamp($6))`,
      [grant.jti, this.userId, grant.missionId, grant.keysJwe, grant.iat, grant.exp],
    );
  }
}
