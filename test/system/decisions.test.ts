import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  carriedRecordId,
  carryOut,
  openReadRecord,
  type OwnKeys,
  type ReadRecord,
  readNeeds,
  sealWrites,
  type SealForm,
  type Write,
} from '../../src/carry-out/index.ts';
import { encryptLegacyField, importAppKey, importMasterKey } from '../../src/grants/index.ts';
import { stepDigest } from '../../src/missions/step-digest.ts';
import { dueMission, writeRecord } from './support/device.ts';
import { useStage } from './support/stage.ts';

const stage = useStage();
const { runner } = stage;

type Step = Record<string, unknown> & { id: string; status: string };
type Answer = {
  status: number;
  code?: string;
  error?: string;
  mission?: Mission;
  record?: ReadRecord;
};
type Mission = { iterations: { overallStatus: string; plan: Step[] }[] };
type Records = { records: ReadRecord[]; sealing: SealForm; next?: string };
type Row = {
  id: string;
  app_id: string;
  record_id: string;
  op: string;
  data: Record<string, unknown>;
  actor: unknown;
};

const toolStep = (toolName: string, params: Record<string, unknown>, fields = {}): Step => ({
  id: `run-${randomUUID()}-1`,
  summary: 'A step',
  status: 'staged',
  intent: { kind: 'toolCall', toolName, params },
  ...fields,
});

/** A person whose mission has one plan of one step, as the runner writes it. */
class Decider {
  readonly userId = randomUUID();
  readonly missionId = randomUUID();
  step: Step;
  #keys: OwnKeys | null = null;

  constructor(step: Step) {
    this.step = step;
  }

  static async with(step: Step): Promise<Decider> {
    const person = new Decider(step);
    await person.writePlan();
    return person;
  }

  async writePlan(step: Step = this.step): Promise<void> {
    this.step = step;
    const iteration = {
      id: 'run',
      startedAt: new Date().toISOString(),
      source: 'server',
      overallStatus: 'awaiting-review',
      plan: [step],
    };
    const { userId, missionId } = this;
    const data = dueMission({
      nextRunAt: null,
      cadence: { kind: 'manual' },
      iterations: [iteration],
    });
    await writeRecord(stage.postgres, { userId, recordId: missionId, data });
  }

  async write(
    appId: string,
    table: string,
    recordId: string,
    data: Record<string, unknown>,
    op = 'insert',
  ): Promise<void> {
    await writeRecord(stage.postgres, { userId: this.userId, appId, table, recordId, data, op });
  }

  async openVault(): Promise<OwnKeys> {
    const master = randomBytes(32);
    await stage.postgres.query(
      `insert into mana_auth.vault (user_id, wrapped_key, kek_id) values ($1, 'wrapped', '0123456789abcdef')`,
      [this.userId],
    );
    this.#keys = {
      masterKey: await importMasterKey(new Uint8Array(master)),
      appKey: await importAppKey(new Uint8Array(master)),
    };
    return this.#keys;
  }

  async records(query: string): Promise<Records> {
    const response = await runner.asUser(this.userId, `/api/v1/me/records${query}`);
    if (response.status !== 200) throw new Error(await response.text());
    return response.json<Records>();
  }

  /** The rows of the step, as a device makes them. */
  async carried(): Promise<Write[]> {
    const { toolName, params } = this.step['intent'] as {
      toolName: string;
      params: Record<string, unknown>;
    };
    const call = { toolName, params };
    const keys = this.#keys;
    const records = await readNeeds(call, async (needs) => {
      const pages = needs.map(async ({ appId, table, recordId, deleted }) => {
        const query =
          recordId === undefined
            ? `?module=${appId}&table=${table}${deleted ? '&deleted=true' : ''}`
            : `?refs=${table}:${encodeURIComponent(recordId)}`;
        const { records: found } = await this.records(query);
        return keys === null ? found : Promise.all(found.map((one) => openReadRecord(one, keys)));
      });
      return (await Promise.all(pages)).flat();
    });
    const result = carryOut(call, {
      userId: this.userId,
      stepId: this.step.id,
      nowMs: Date.now(),
      timeZone: 'UTC',
      spaceId: null,
      records,
    });
    if (!result.ok) throw new Error(result.problem);
    const { sealing } = await this.records('?limit=1');
    return sealWrites(result.writes, sealing, keys, records);
  }

  async decide(
    decision: string,
    more: Record<string, unknown> = {},
    key?: string,
  ): Promise<Answer> {
    const digest = await stepDigest(this.step);
    const path = `/api/v1/me/missions/${this.missionId}/iterations/run/review`;
    const response = await runner.asUser(this.userId, path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      body: JSON.stringify({ decisions: [{ stepId: this.step.id, digest, decision, ...more }] }),
    });
    return { status: response.status, ...(await response.json<object>()) };
  }

  /** What we wrote for them, but for the mission's own rows. */
  async rows(): Promise<Row[]> {
    const rows = await stage.postgres.query(
      `select id, app_id, record_id, op, data, actor from sync_changes
       where user_id = $1 and client_id = 'mana-edge-api' and app_id <> 'ai' order by created_at, id`,
      [this.userId],
    );
    return rows as Row[];
  }

  async stored(): Promise<Step> {
    const response = await runner.asUser(this.userId, '/api/v1/me/missions');
    const { missions } = await response.json<{ missions: Mission[] }>();
    const [step] = missions[0]?.iterations[0]?.plan ?? [];
    if (step === undefined) throw new Error('there is no step');
    return step;
  }
}

const TASK = { title: 'Buy milk', dueDate: '2026-12-01' };

describe('an approved step is done', () => {
  it('makes the task with the decision; the same request again makes nothing more', async () => {
    const person = await Decider.with(toolStep('create_task', TASK));
    const writes = await person.carried();
    const answer = await person.decide('approve', { writes });
    expect(answer.status).toBe(200);
    expect(answer.mission?.iterations[0]).toMatchObject({
      overallStatus: 'approved',
      plan: [{ status: 'approved', decision: { by: 'person', carriedOut: 'records' } }],
    });
    const [row] = await person.rows();
    expect(row).toMatchObject({
      app_id: 'todo',
      op: 'insert',
      record_id: carriedRecordId(person.userId, person.step.id, 0),
      data: { ...TASK, order: 0, spaceId: `_personal:${person.userId}` },
      actor: {
        kind: 'user',
        missionId: person.missionId,
        iterationId: 'run',
        stepId: person.step.id,
      },
    });
    expect(row?.data['updatedAt']).toBe(writes[0]?.data['updatedAt']);

    expect((await person.decide('approve', { writes })).status).toBe(200);
    expect(await person.rows()).toHaveLength(1);

    const { records, sealing } = await person.records('?module=todo');
    expect(sealing).toBe('plain');
    expect(records).toMatchObject([{ appId: 'todo', table: 'tasks', data: TASK }]);
    expect(Object.keys(records[0]?.stamps ?? {})).toContain('title');
  });

  it('of two devices at the same moment each row is written once', async () => {
    const person = await Decider.with(
      toolStep('create_event', {
        title: 'Lunch',
        startTime: '2026-12-01T11:00:00.000Z',
        endTime: '2026-12-01T12:00:00.000Z',
      }),
    );
    await person.write('calendar', 'calendars', 'c', { name: 'Mine', isDefault: true });
    const [one, two] = await Promise.all([person.carried(), person.carried()]);
    const answers = await Promise.all(
      [one, two, one, two].map(async (writes) => person.decide('approve', { writes })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect((await person.rows()).map(({ app_id: app }) => app).toSorted()).toEqual([
      'calendar',
      'timeblocks',
    ]);
  });

  it('by hand it writes nothing, and says so; rows that come later are refused', async () => {
    const person = await Decider.with(toolStep('create_task', TASK));
    const answer = await person.decide('approve');
    expect(answer.mission?.iterations[0]?.plan[0]).toMatchObject({
      status: 'approved',
      decision: { carriedOut: 'by-hand' },
    });
    expect((await person.decide('approve')).status).toBe(200);
    const late = await person.decide('approve', { writes: await person.carried() });
    expect(late).toMatchObject({ status: 409, code: 'STEP_DECIDED' });
    expect(await person.rows()).toEqual([]);
  });

  it('what the app carried out meanwhile is not done again, with or without rows', async () => {
    const step = toolStep('create_task', TASK, { status: 'planned' });
    const person = await Decider.with(step);
    const writes = await person.carried();
    await person.writePlan({ ...step, status: 'approved' });
    for (const more of [{ writes }, {}])
      expect(await person.decide('approve', more)).toMatchObject({
        status: 409,
        code: 'STEP_DECIDED',
      });
    expect(await person.rows()).toEqual([]);
  });
});

describe('what a step changes', () => {
  it('is changed once, with the record as it was seen; a newer one is answered instead', async () => {
    const person = await Decider.with(toolStep('append_to_note', { noteId: 'n', content: 'more' }));
    await person.write('notes', 'notes', 'n', { title: 'List', content: 'milk' });
    const stale = await person.carried();
    await person.write('notes', 'notes', 'n', { content: 'milk and eggs' }, 'update');
    const changed = await person.decide('approve', { writes: stale });
    expect(changed).toMatchObject({
      status: 409,
      code: 'RECORD_CHANGED',
      record: { recordId: 'n', data: { content: 'milk and eggs' } },
    });
    expect(await person.rows()).toEqual([]);
    expect((await person.stored()).status).toBe('staged');

    const fresh = await person.decide('approve', { writes: await person.carried() });
    expect(fresh.status).toBe(200);
    const { records } = await person.records('?refs=notes:n');
    expect(records[0]?.data['content']).toBe('milk and eggs\nmore');
  });

  it('is not changed where it was deleted', async () => {
    const person = await Decider.with(toolStep('complete_task', { taskId: 't' }));
    await person.write('todo', 'tasks', 't', { title: 'Old', isCompleted: false });
    const writes = await person.carried();
    await person.write('todo', 'tasks', 't', { deletedAt: new Date().toISOString() }, 'update');
    expect(await person.decide('approve', { writes })).toMatchObject({
      status: 409,
      code: 'RECORD_CHANGED',
      record: { deleted: true },
    });
  });

  it('is deleted so that every device drops it, and shown only where that is asked for', async () => {
    const person = await Decider.with(toolStep('undo_drink', {}));
    await person.write('drink', 'drinkEntries', 'd', { date: '2026-11-28', time: '09:00' });
    expect((await person.decide('approve', { writes: await person.carried() })).status).toBe(200);
    const [row] = await person.rows();
    expect(row?.op).toBe('delete');
    expect(typeof row?.data['deletedAt']).toBe('string');
    expect((await person.records('?module=drink')).records).toEqual([]);
    expect((await person.records('?module=drink&deleted=true')).records).toMatchObject([
      { recordId: 'd', deleted: true },
    ]);
  });
});

const altered = (person: Decider, change: (write: Write) => object) => async () => {
  const writes = (await person.carried()).map((write) => ({ ...write, ...change(write) }));
  return person.decide('approve', { writes });
};

describe('rows that a step may not write', () => {
  it('are refused by the table of its tool, and nothing is decided', async () => {
    const person = await Decider.with(toolStep('create_task', TASK));
    const attempts = [
      altered(person, () => ({ table: 'notes' })),
      altered(person, () => ({ appId: 'ai', table: 'aiMissions' })),
      altered(person, () => ({ op: 'delete' })),
      altered(person, () => ({ recordId: randomUUID() })),
      altered(person, ({ data }) => ({ data: { ...data, projectId: 'p' } })),
      altered(person, ({ data }) => ({ data: { ...data, authorId: 'somebody' } })),
      altered(person, ({ data }) => ({ data: { ...data, spaceId: 'a-space-of-others' } })),
      altered(person, () => ({ basis: {} })),
    ];
    for (const attempt of attempts)
      expect(await attempt()).toMatchObject({ status: 400, code: 'BAD_REQUEST' });
    const writes = await person.carried();
    const twice = { writes: [...writes, ...writes] };
    expect(await person.decide('approve', twice)).toMatchObject({ code: 'BAD_REQUEST' });
    expect(await person.decide('reject', { writes })).toMatchObject({ code: 'BAD_REQUEST' });
    expect(await person.decide('approve', { writes: Array(21).fill(writes[0]) })).toMatchObject({
      code: 'BAD_REQUEST',
    });
    expect(await person.rows()).toEqual([]);
    expect((await person.stored()).status).toBe('staged');
  });

  it('are refused as plaintext where the person has a vault, and open again where they are sealed', async () => {
    const person = await Decider.with(toolStep('create_task', TASK));
    const plain = await person.carried();
    const keys = await person.openVault();
    expect(await person.decide('approve', { writes: plain })).toMatchObject({
      status: 400,
      code: 'MUST_BE_SEALED',
    });
    const writes = await person.carried();
    expect(writes[0]?.data['title']).toMatch(/^enc:2:1:/);
    expect((await person.decide('approve', { writes })).status).toBe(200);
    const { records, sealing } = await person.records('?module=todo');
    expect(sealing).toBe('enc:2');
    const [opened] = await Promise.all(records.map((record) => openReadRecord(record, keys)));
    expect(opened?.data['title']).toBe('Buy milk');
  });

  it('are sealed as the app reads them where a device of the person writes so', async () => {
    const person = await Decider.with(toolStep('append_to_note', { noteId: 'n', content: 'more' }));
    const keys = await person.openVault();
    const content = await encryptLegacyField(keys.appKey, 'milk');
    await person.write('notes', 'notes', 'n', { title: '', content });
    const writes = await person.carried();
    expect(writes[0]?.data['content']).toMatch(/^enc:1:/);
    expect((await person.decide('approve', { writes })).status).toBe(200);
    const { records } = await person.records('?refs=notes:n');
    const [opened] = await Promise.all(records.map((record) => openReadRecord(record, keys)));
    expect(opened?.data['content']).toBe('milk\nmore');
  });
});

describe('other decisions', () => {
  it('a step that only the app can do is handed over to it', async () => {
    const person = await Decider.with(toolStep('publish_website', { siteId: 's' }));
    expect(await person.decide('approve', { writes: [] })).toMatchObject({ code: 'BAD_REQUEST' });
    const answer = await person.decide('approve');
    expect(answer.mission?.iterations[0]).toMatchObject({
      overallStatus: 'awaiting-review',
      plan: [{ status: 'planned', decision: { carriedOut: 'handed-over' } }],
    });
  });

  it('a rejection can be taken back, what was carried out cannot', async () => {
    const person = await Decider.with(toolStep('create_task', TASK));
    expect((await person.decide('reject')).mission?.iterations[0]?.overallStatus).toBe('rejected');
    expect((await person.stored())['digest']).toBe(await stepDigest(person.step));
    const reopened = await person.decide('reopen');
    expect(reopened.mission?.iterations[0]).toMatchObject({
      overallStatus: 'awaiting-review',
      plan: [{ status: 'planned' }],
    });
    expect((await person.decide('approve', { writes: await person.carried() })).status).toBe(200);
    expect(await person.decide('reopen')).toMatchObject({ status: 409, code: 'STEP_DECIDED' });
    expect(await person.decide('reject')).toMatchObject({ status: 409, code: 'STEP_DECIDED' });
  });

  it('an edit replaces what the step says, and the request may be repeated', async () => {
    const person = await Decider.with(toolStep('create_task', TASK));
    const before = await stepDigest(person.step);
    const edit = { params: { title: 'Buy oat milk' }, summary: "Create task 'Buy oat milk'" };
    const intent = { kind: 'toolCall', toolName: 'create_task', params: edit.params };
    const asPlanned = person.step;
    person.step = { ...asPlanned, intent };
    const writes = await person.carried();
    person.step = asPlanned;
    for (const _ of [1, 2]) {
      const answer = await person.decide('approve', { edit, writes });
      expect(answer.mission?.iterations[0]?.plan[0]).toMatchObject({
        status: 'approved',
        summary: edit.summary,
        intent,
        editedFrom: before,
      });
    }
    expect(await person.rows()).toMatchObject([{ data: { title: 'Buy oat milk' } }]);
    expect(await person.decide('approve', { edit: { params: 'enc:2:1:x' } })).toMatchObject({
      status: 400,
    });
  });
});

describe('GET /api/v1/me/records', () => {
  it('goes through all records page by page, those of the person alone', async () => {
    const person = await Decider.with(toolStep('create_task', TASK));
    const other = await Decider.with(toolStep('create_task', TASK));
    const ids = Array.from({ length: 7 }, (_, n) => `note,${n}`);
    for (const id of ids) {
      await person.write('notes', 'notes', id, { title: id });
      await other.write('notes', 'notes', id, { title: 'theirs' });
    }
    const seen: string[] = [];
    let query = '?module=notes&limit=3';
    for (;;) {
      const { records, next } = await person.records(query);
      seen.push(...records.map(({ data }) => String(data['title'])));
      if (next === undefined) break;
      query = `?module=notes&limit=3&cursor=${encodeURIComponent(next)}`;
    }
    expect(seen).toEqual(ids);
    const { records } = await person.records(
      `?refs=notes:${encodeURIComponent('note,1')},notes:${encodeURIComponent('note,2')},notes:none`,
    );
    expect(records.map(({ recordId }) => recordId)).toEqual(['note,1', 'note,2']);
  });

  it.each(['?limit=0', '?limit=201', '?cursor=x', '?refs=', '?refs=notes', '?deleted=maybe'])(
    '%s is refused',
    async (query) => {
      const response = await runner.asUser('somebody', `/api/v1/me/records${query}`);
      expect(response.status).toBe(400);
    },
  );
});
