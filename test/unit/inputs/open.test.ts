import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outcomeStatus } from '../../../src/audit/outcome.ts';
import {
  deriveRecordKeyBytes,
  encryptRecord,
  type GrantKeys,
  importMasterKey,
  importRecordKey,
  type RecordKeys,
  type RecordRef,
} from '../../../src/grants/index.ts';
import { formatInput, openInput } from '../../../src/inputs/index.ts';

const master = await importMasterKey(new Uint8Array(32).fill(7));
const NOTE: RecordRef = { tableName: 'notes', recordId: 'n-1' };
const OTHER: RecordRef = { tableName: 'notes', recordId: 'n-2' };
const MISSION: RecordRef = { tableName: 'aiMissions', recordId: 'm-1' };

async function recordKeys(ref: RecordRef, ...versions: number[]): Promise<RecordKeys> {
  const entries = versions.map(
    async (version) =>
      [version, await importRecordKey(await deriveRecordKeyBytes(master, ref, version))] as const,
  );
  return new Map(await Promise.all(entries));
}

async function grantOf(...refs: RecordRef[]): Promise<GrantKeys> {
  const entries = refs.map(
    async (ref) => [`${ref.tableName}:${ref.recordId}`, await recordKeys(ref, 1)] as const,
  );
  return new Map(await Promise.all(entries));
}

const KEYS = await grantOf(NOTE, OTHER, MISSION);
const PLAIN = {
  id: 'n-1',
  title: 'Ideas',
  content: 'Buy milk',
  updatedAt: '2026-11-24T10:00:00.000Z',
  isPinned: false,
};

async function encrypted(
  ref: RecordRef,
  record: Record<string, unknown>,
  version = 1,
): Promise<Record<string, unknown>> {
  const fields = ['title', 'content'];
  return encryptRecord({ keys: await recordKeys(ref, version), version, ref, record, fields });
}

const SEALED = await encrypted(NOTE, PLAIN);

describe('an encrypted input', () => {
  it('opens under a grant that names it, and reads as text', async () => {
    expect(JSON.stringify(SEALED)).not.toContain('milk');
    const opened = await openInput({ source: NOTE, record: SEALED, keys: KEYS });
    expect(opened).toEqual({ ok: true, record: PLAIN });
    expect(formatInput('notes', opened.ok ? opened.record : null)).toMatchObject({
      ok: true,
      title: 'Ideas',
      text: 'Id: n-1\nTitle: Ideas\nContent: Buy milk\nUpdated: 2026-11-24T10:00:00.000Z',
    });
  });

  it('opens field by field under several versions of its key', async () => {
    const both = new Map([['notes:n-1', await recordKeys(NOTE, 1, 2)]]);
    const content = (await encrypted(NOTE, PLAIN, 2))['content'];
    expect(await openInput({ source: NOTE, record: { ...SEALED, content }, keys: both })).toEqual({
      ok: true,
      record: PLAIN,
    });
  });

  it('of a grant that does not name it stays closed, plaintext or not', async () => {
    const keys = await grantOf(OTHER, MISSION);
    for (const record of [SEALED, PLAIN]) {
      expect(await openInput({ source: NOTE, record, keys })).toEqual({
        ok: false,
        reason: 'not-covered',
      });
    }
  });

  it('written before its app encrypted is read as it stands where the grant names it', async () => {
    expect(await openInput({ source: NOTE, record: PLAIN, keys: KEYS })).toEqual({
      ok: true,
      record: PLAIN,
    });
  });

  it('under the name of the mission is never covered', async () => {
    const record = await encrypted(MISSION, PLAIN);
    expect(await openInput({ source: MISSION, record, keys: KEYS })).toEqual({
      ok: false,
      reason: 'not-covered',
    });
  });

  it.each(['', 'a\u0000b', '\ud800', 'x'.repeat(257), 'a\nb'])(
    'with the id %j is refused before a key is looked for',
    async (recordId) => {
      const keys = new Map([[`notes:${recordId}`, await recordKeys(NOTE, 1)]]);
      const source = { tableName: 'notes', recordId };
      expect(await openInput({ source, record: SEALED, keys })).toEqual({
        ok: false,
        reason: 'malformed',
      });
    },
  );

  it('of a table whose name holds a colon is not another record', async () => {
    const source = { tableName: 'notes:n', recordId: '1' };
    expect(await openInput({ source, record: SEALED, keys: KEYS })).toEqual({
      ok: false,
      reason: 'malformed',
    });
  });
});

describe('one field that does not open refuses the record', () => {
  const content = String(SEALED['content']);
  const flipped = (at: number): string =>
    content.slice(0, at) + (content[at] === 'A' ? 'B' : 'A') + content.slice(at + 1);

  it.each([
    ['legacy-ciphertext', 'enc:1:AAAA.BBBB'],
    ['key-version', content.replace('enc:2:1:', 'enc:2:2:')],
    ['tampered', String(SEALED['title'])],
    ['tampered', flipped(content.indexOf('.') + 3)],
    ['tampered', flipped('enc:2:1:'.length)],
    ['tampered', content.slice(0, -4)],
    ['tampered', `${content}=`],
    ['tampered', content.replace('enc:2:', 'enc:3:')],
    ['tampered', content.replace('enc:2:1:', 'enc:2:01:')],
    ['tampered', 'enc:'],
    ['tampered', 'enc:2:1:.'],
  ])('as %s: %s', async (reason, value) => {
    expect(
      await openInput({ source: NOTE, record: { ...SEALED, content: value }, keys: KEYS }),
    ).toEqual({
      ok: false,
      reason,
    });
  });

  it('as tampered where the field comes from another record', async () => {
    const foreign = (await encrypted(OTHER, PLAIN))['content'];
    const record = { ...SEALED, content: foreign };
    expect(await openInput({ source: NOTE, record, keys: KEYS })).toEqual({
      ok: false,
      reason: 'tampered',
    });
  });

  it('as tampered where the whole record stands in the place of another', async () => {
    expect(await openInput({ source: OTHER, record: SEALED, keys: KEYS })).toEqual({
      ok: false,
      reason: 'tampered',
    });
  });

  it('and a refusal holds nothing of the record, whatever a database writer put there', async () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.string().map((text) => `enc:2:1:${text}`),
      fc.constantFrom(content, 'enc:1:x'),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), value), async (fields) => {
        const result = await openInput({
          source: NOTE,
          record: { ...fields, title: content },
          keys: KEYS,
        });
        expect(Object.keys(result)).toEqual(['ok', 'reason']);
      }),
    );
  });
});

describe('what the audit says of an attempt', () => {
  it('is ok, failed, or a scope violation for what the grant does not cover', () => {
    expect([outcomeStatus(null), outcomeStatus('tampered'), outcomeStatus('not-covered')]).toEqual([
      'ok',
      'failed',
      'scope-violation',
    ]);
  });
});
