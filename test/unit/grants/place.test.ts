import { describe, expect, test } from 'vitest';
import {
  checkpointPath,
  decryptField,
  deriveRecordKeys,
  encryptField,
  encryptIteration,
  encryptRecord,
  fieldPath,
  importLegacyMasterKey,
  isCiphertext,
  iterationPath,
  missionRef,
  newestVersion,
  openIteration,
  openRecord,
  reencryptLegacyRecord,
  rekeyRecord,
  stepPath,
} from '../../../src/grants/index.ts';
import * as independent from './independent.ts';
import { bytes, masterKey, MISSION, NOTE } from './material.ts';

const ITERATION = {
  id: 'it-1',
  startedAt: '2026-11-24T12:00:00.000Z',
  source: 'server',
  overallStatus: 'awaiting-review',
  summary: 'all',
  plan: [
    {
      id: 'it-1-0',
      summary: 's0',
      rationale: 'r0',
      status: 'planned',
      intent: { kind: 'toolCall', toolName: 't', params: { a: [1] } },
    },
    { id: 'it-1-1', summary: 's1', status: 'planned', intent: { kind: 'note', body: 'b1' } },
  ],
};
const MISSION_REF = missionRef(MISSION);

async function noteKeys(versions = [1]) {
  return deriveRecordKeys(await masterKey(), NOTE, versions);
}

async function missionKeys(versions = [1]) {
  return deriveRecordKeys(await masterKey(), MISSION_REF, versions);
}

async function storedIteration(
  iteration: Record<string, unknown> = ITERATION,
  missionId = MISSION,
) {
  return encryptIteration({
    keys: await missionKeys(),
    version: 1,
    missionId,
    iteration,
  }) as Promise<typeof ITERATION>;
}

describe('ciphertext stays where it was written', () => {
  test('two fields of a record that were swapped do not open, and the field is named', async () => {
    const keys = await noteKeys();
    const record = { id: 'note-1', title: 'a', body: 'b' };
    const stored = await encryptRecord({
      keys,
      version: 1,
      ref: NOTE,
      record,
      fields: ['title', 'body'],
    });
    const swapped = { ...stored, title: stored['body'], body: stored['title'] };
    expect(await openRecord({ keys, ref: NOTE, record: swapped })).toEqual({
      ok: false,
      reason: 'tampered',
      path: 'title',
    });
  });

  test('a field of another record does not open, even under the same key', async () => {
    const keys = await noteKeys();
    const text = await encryptField({ keys, version: 1, ref: NOTE, path: 'title', value: 'a' });
    for (const ref of [
      { ...NOTE, recordId: 'note-2' },
      { ...NOTE, tableName: 'tasks' },
    ])
      expect(await decryptField({ keys, ref, path: 'title', text })).toEqual({
        ok: false,
        reason: 'tampered',
      });
  });

  test('an iteration under the id of another does not open', async () => {
    const [keys, stored] = [await missionKeys(), await storedIteration()];
    const moved = await openIteration({
      keys,
      missionId: MISSION,
      iteration: { ...stored, id: 'it-2' },
    });
    expect(moved).toEqual({ ok: false, reason: 'tampered', path: 'iterations/it-2/summary' });
  });

  test('a summary behind which the app wrote why the step failed opens', async () => {
    const [keys, stored] = [await missionKeys(), await storedIteration()];
    const plan = stored.plan.map((step) => ({
      ...step,
      summary: `${step.summary} (FEHLER: Missing required parameter: title)`,
    }));
    const opened = await openIteration({
      keys,
      missionId: MISSION,
      iteration: { ...stored, plan },
    });
    expect(opened).toEqual(await openIteration({ keys, missionId: MISSION, iteration: stored }));
    expect(opened.ok).toBe(true);
  });

  test('steps that were swapped do not open', async () => {
    const [keys, stored] = [await missionKeys(), await storedIteration()];
    const [first, second] = stored.plan;
    const plan = [{ ...first, summary: second?.summary }, second];
    const opened = await openIteration({
      keys,
      missionId: MISSION,
      iteration: { ...stored, plan },
    });
    expect(opened).toEqual({
      ok: false,
      reason: 'tampered',
      path: 'iterations/it-1/plan/it-1-0/summary',
    });
  });

  test('a step’s summary is not its rationale', async () => {
    const [keys, stored] = [await missionKeys(), await storedIteration()];
    const plan = stored.plan.map((step) => ({ ...step, rationale: step.summary }));
    const opened = await openIteration({
      keys,
      missionId: MISSION,
      iteration: { ...stored, plan },
    });
    expect(opened).toMatchObject({ ok: false, path: 'iterations/it-1/plan/it-1-0/rationale' });
  });

  test('an iteration of another mission does not open', async () => {
    const stored = await storedIteration();
    const opened = await openIteration({
      keys: await missionKeys(),
      missionId: 'mission-2',
      iteration: stored,
    });
    expect(opened).toMatchObject({ ok: false, reason: 'tampered' });
  });

  test('a checkpoint of another run or round does not open', async () => {
    const keys = await missionKeys();
    const text = await encryptField({
      keys,
      version: 1,
      ref: MISSION_REF,
      path: checkpointPath('run-1', 0),
      value: [],
    });
    for (const path of [checkpointPath('run-1', 1), checkpointPath('run-2', 0), 'title'])
      expect(await decryptField({ keys, ref: MISSION_REF, path, text })).toEqual({
        ok: false,
        reason: 'tampered',
      });
  });
});

describe('only the one form is read', () => {
  const key = independent.recordKey(bytes(1), 'notes', 'note-1', 1);
  const place = { table: 'notes', recordId: 'note-1', path: 'title' };

  test.each([8, 11, 13, 16])(
    'an IV of %i bytes is refused, even where all else is right',
    async (length) => {
      const text = independent.sealField(key, 1, place, 'x', bytes(3, length));
      expect(independent.openField(key, place, text)).toBe('x');
      expect(
        await decryptField({ keys: await noteKeys(), ref: NOTE, path: 'title', text }),
      ).toEqual({
        ok: false,
        reason: 'tampered',
      });
    },
  );

  test.each(['', '{', 'undefined', '"\ufeff', "'x'"])(
    'a sealed text that is no JSON is refused: %s',
    async (plaintext) => {
      const text = independent.sealFieldText(key, 1, place, plaintext);
      expect(
        await decryptField({ keys: await noteKeys(), ref: NOTE, path: 'title', text }),
      ).toEqual({
        ok: false,
        reason: 'tampered',
      });
    },
  );

  test('and bytes that are no UTF-8', async () => {
    const text = independent.sealFieldText(key, 1, place, Buffer.from('"é"', 'latin1'));
    expect(await decryptField({ keys: await noteKeys(), ref: NOTE, path: 'title', text })).toEqual({
      ok: false,
      reason: 'tampered',
    });
  });
});

describe('a path means one place', () => {
  test('parts hold no slash, no control character, no lone surrogate', () => {
    const bad = ['', 'a/b', 'a\u0000', '\ud800', 'x'.repeat(257), undefined, null, 1];
    expect(bad.map(iterationPath)).toEqual(bad.map(() => null));
    expect(bad.map((id) => stepPath('it', id, 'summary'))).toEqual(bad.map(() => null));
    expect(bad.map((id) => stepPath(id, 'step', 'summary'))).toEqual(bad.map(() => null));
    expect(['a/b', '', 'a\u0000'].map(fieldPath)).toEqual([null, null, null]);
    for (const runId of ['a/b', '', 'a\u0000'])
      expect(() => checkpointPath(runId, 0)).toThrow(/not allowed/);
    for (const round of [-1, 0.5, Number.NaN])
      expect(() => checkpointPath('run', round)).toThrow(/not allowed/);
  });

  test('an iteration cannot be named so that its summary has the path of another’s step', async () => {
    const stored = await storedIteration();
    const iteration = { id: 'it-1/plan/it-1-0', summary: stored.plan[0]?.summary };
    const opened = await openIteration({
      keys: await missionKeys(),
      missionId: MISSION,
      iteration,
    });
    expect(opened).toMatchObject({ ok: false, reason: 'malformed' });
    await expect(storedIteration({ id: 'a/b', summary: 'x' })).rejects.toMatchObject({
      code: 'NAME_REFUSED',
    });
  });

  test('a top-level field cannot have the path of an iteration', async () => {
    const stored = await storedIteration();
    const record = { 'iterations/it-1/summary': stored.summary };
    const opened = await openRecord({ keys: await missionKeys(), ref: MISSION_REF, record });
    expect(opened).toEqual({ ok: false, reason: 'malformed', path: 'iterations/it-1/summary' });
  });
});

describe('an iteration', () => {
  test('is ciphertext in its texts and params alone', async () => {
    const stored = await storedIteration();
    const { summary, plan, ...rest } = stored;
    expect(
      [
        summary,
        plan[0]?.summary,
        plan[0]?.rationale,
        plan[0]?.intent.params,
        plan[1]?.intent.body,
      ].every(isCiphertext),
    ).toBe(true);
    expect(rest).toEqual({
      id: 'it-1',
      startedAt: ITERATION.startedAt,
      source: 'server',
      overallStatus: 'awaiting-review',
    });
    expect(plan[0]).toMatchObject({
      id: 'it-1-0',
      status: 'planned',
      intent: { kind: 'toolCall', toolName: 't' },
    });
  });

  test('opens where a device changed what is readable', async () => {
    const stored = await storedIteration();
    const plan = stored.plan.map((step) => ({ ...step, status: 'approved', proposalId: 'p' }));
    const iteration = { ...stored, plan, overallStatus: 'approved', userFeedback: 'fine' };
    const opened = await openIteration({
      keys: await missionKeys(),
      missionId: MISSION,
      iteration,
    });
    expect(opened).toMatchObject({
      ok: true,
      iteration: {
        summary: 'all',
        userFeedback: 'fine',
        plan: [{ status: 'approved', summary: 's0' }, {}],
      },
    });
  });

  test.each([
    { id: 'it' },
    { id: 'it', plan: 'x' },
    { id: 'it', plan: [null, 1, {}, { intent: 5 }] },
    {},
  ])('%j stays as it is', async (iteration) => {
    expect(
      await openIteration({ keys: await missionKeys(), missionId: MISSION, iteration }),
    ).toEqual({
      ok: true,
      iteration,
    });
  });

  test('the original is not touched', async () => {
    const before = structuredClone(ITERATION);
    await storedIteration();
    expect(ITERATION).toEqual(before);
  });
});

describe('a record', () => {
  test('that holds the older format is refused as such by the runner, and anew by a device', async () => {
    const keys = await noteKeys();
    const record = {
      id: 'note-1',
      title: independent.sealLegacyField(bytes(1), 'Titel'),
      body: await encryptField({ keys, version: 1, ref: NOTE, path: 'body', value: 'b' }),
      pinned: true,
    };
    expect(await openRecord({ keys, ref: NOTE, record })).toEqual({
      ok: false,
      reason: 'legacy-ciphertext',
      path: 'title',
    });
    const legacyKey = await importLegacyMasterKey(bytes(1));
    const anew = await reencryptLegacyRecord({ legacyKey, keys, version: 1, ref: NOTE, record });
    expect(anew).toMatchObject({ ok: true, changed: ['title'], record: { body: record.body } });
    const opened = await openRecord({ keys, ref: NOTE, record: anew.ok ? anew.record : {} });
    expect(opened).toEqual({
      ok: true,
      record: { id: 'note-1', title: 'Titel', body: 'b', pinned: true },
    });
  });

  test.each([
    'enc:1:AAAA.AAAA',
    'enc:1:',
    'enc:1:AAAAAAAAAAAAAAAA',
    'enc:1:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    `${independent.sealLegacyField(bytes(1), 'x', Buffer.from(bytes(5, 12)))} `,
    independent.sealLegacyField(bytes(1), 'x', Buffer.from(bytes(5, 16))),
    independent.sealLegacyField(bytes(2), 'x'),
  ])('with broken text of the older format is refused: %s', async (title) => {
    const legacyKey = await importLegacyMasterKey(bytes(1));
    const anew = await reencryptLegacyRecord({
      legacyKey,
      keys: await noteKeys(),
      version: 1,
      ref: NOTE,
      record: { title },
    });
    expect(anew).toEqual({ ok: false, reason: 'tampered', path: 'title' });
  });

  test('is re-keyed whole: what had the old key alone opens none of it', async () => {
    const both = await missionKeys([1, 2]);
    const fields = ['title', 'objective'];
    const record = {
      id: MISSION,
      title: 't',
      objective: 'o',
      state: 'active',
      iterations: [await storedIteration(), { id: 'plain', summary: 'readable' }],
    };
    const stored = await encryptRecord({
      keys: both,
      version: 1,
      ref: MISSION_REF,
      record,
      fields,
    });
    const rekeyed = await rekeyRecord({ keys: both, version: 2, ref: MISSION_REF, record: stored });
    if (!rekeyed.ok) throw new Error(rekeyed.reason);
    expect(rekeyed.changed.toSorted()).toEqual(['iterations', 'objective', 'title']);
    expect(JSON.stringify(rekeyed.record)).not.toContain('enc:2:1:');

    const [oldKey, newKey] = [await missionKeys([1]), await missionKeys([2])];
    expect(
      await openRecord({ keys: newKey, ref: MISSION_REF, record: rekeyed.record }),
    ).toMatchObject({
      ok: true,
      record: { title: 't', objective: 'o' },
    });
    expect(
      await openRecord({ keys: oldKey, ref: MISSION_REF, record: rekeyed.record }),
    ).toMatchObject({
      ok: false,
      reason: 'key-version',
    });
    const [iteration = {}] = rekeyed.record['iterations'] as Record<string, unknown>[];
    expect(await openIteration({ keys: newKey, missionId: MISSION, iteration })).toEqual({
      ok: true,
      iteration: ITERATION,
    });
    expect(await openIteration({ keys: oldKey, missionId: MISSION, iteration })).toMatchObject({
      reason: 'key-version',
    });
  });

  test('with one field that does not open is not re-keyed', async () => {
    const keys = await noteKeys([1, 2]);
    const title = await encryptField({ keys, version: 1, ref: NOTE, path: 'body', value: 'x' });
    expect(await rekeyRecord({ keys, version: 2, ref: NOTE, record: { title } })).toEqual({
      ok: false,
      reason: 'tampered',
      path: 'title',
    });
  });

  test('whose field is named like a member of every object opens, and nothing else changes', async () => {
    const keys = await noteKeys();
    const record = JSON.parse('{"__proto__":"p","constructor":"c"}') as Record<string, unknown>;
    const stored = await encryptRecord({
      keys,
      version: 1,
      ref: NOTE,
      record,
      fields: ['__proto__', 'constructor'],
    });
    const opened = await openRecord({ keys, ref: NOTE, record: stored });
    expect(JSON.stringify(opened)).toBe('{"ok":true,"record":{"__proto__":"p","constructor":"c"}}');
    expect(Object.getPrototypeOf(stored)).toBe(Object.prototype);
  });

  test('keeps what is null or missing, and encrypts what else it is asked to', async () => {
    const keys = await noteKeys();
    const record = { a: null, b: undefined, c: false, d: 0, e: '' };
    const stored = await encryptRecord({
      keys,
      version: 1,
      ref: NOTE,
      record,
      fields: ['a', 'b', 'c', 'd', 'e', 'f'],
    });
    expect(Object.entries(stored).map(([name, value]) => [name, isCiphertext(value)])).toEqual([
      ['a', false],
      ['b', false],
      ['c', true],
      ['d', true],
      ['e', true],
    ]);
  });

  test('with text of a person that looks like ciphertext is encrypted all the same', async () => {
    const keys = await noteKeys();
    const record = { title: 'enc:2:1:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA' };
    const stored = await encryptRecord({ keys, version: 1, ref: NOTE, record, fields: ['title'] });
    expect(stored['title']).not.toBe(record.title);
    expect(await openRecord({ keys, ref: NOTE, record: stored })).toEqual({ ok: true, record });
  });
});

describe('misuse is an error with a code', () => {
  test.each([
    ['no key of the version', { version: 2 }, 'KEY_VERSION_MISSING'],
    ['a value without a JSON text', { value: undefined }, 'VALUE_REFUSED'],
    ['a table that is none', { ref: { ...NOTE, tableName: '1' } }, 'NAME_REFUSED'],
    ['a record that is none', { ref: { ...NOTE, recordId: '' } }, 'NAME_REFUSED'],
    ['a path that is none', { path: 'a\u0000b' }, 'NAME_REFUSED'],
    ['an empty path', { path: '' }, 'NAME_REFUSED'],
  ])('%s', async (_name, changes, code) => {
    const field = {
      keys: await noteKeys(),
      version: 1,
      ref: NOTE,
      path: 'title',
      value: 'x',
      ...changes,
    };
    await expect(encryptField(field)).rejects.toMatchObject({ code });
  });

  test('what is read is never an error, whatever stands in it', async () => {
    const keys = await noteKeys();
    const place = { keys, ref: NOTE, path: 'title' };
    for (const text of [
      '',
      'enc:',
      'enc:2',
      ':'.repeat(10_000_000),
      `enc:2:1:${'A'.repeat(10_000_001)}.AA`,
      'title',
      '\ud800',
    ])
      expect(await decryptField({ ...place, text })).toEqual({ ok: false, reason: 'tampered' });
    for (const ref of [
      { ...NOTE, recordId: '\ud800' },
      { ...NOTE, tableName: 'a b' },
    ])
      expect(await decryptField({ ...place, ref, text: 'enc:2:1:a.b' })).toEqual({
        ok: false,
        reason: 'malformed',
      });
  });

  test('the newest version is the highest', async () => {
    expect(newestVersion(await noteKeys([2, 10, 1]))).toBe(10);
    expect(newestVersion(new Map())).toBeNull();
  });
});
