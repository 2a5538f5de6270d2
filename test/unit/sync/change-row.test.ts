import { describe, expect, it } from 'vitest';
import { ChangeRowError, parseChangeRow } from '../../../src/sync/change-row.ts';

const raw = {
  id: '00000000-0000-4000-8000-000000000001',
  table_name: 'aiMissions',
  record_id: 'm1',
  op: 'update',
  data: '{"title":"T","__proto__":{"x":1}}',
  field_meta: null,
  client_id: 'phone',
  created_at: '2026-01-01T10:00:00.123456Z',
  schema_version: '1',
  actor: '{"kind":"user"}',
  origin: null,
  space_id: 's1',
};

describe('parseChangeRow', () => {
  it('reads the columns as Postgres gives them', () => {
    expect(parseChangeRow(raw)).toEqual({
      id: raw.id,
      tableName: 'aiMissions',
      recordId: 'm1',
      op: 'update',
      data: JSON.parse(raw.data) as unknown,
      fieldMeta: null,
      clientId: 'phone',
      createdAt: '2026-01-01T10:00:00.123456Z',
      schemaVersion: 1,
      actor: { kind: 'user' },
      origin: null,
      spaceId: 's1',
    });
  });

  it('takes a schema version as number too', () => {
    expect(parseChangeRow({ ...raw, schema_version: 2 }).schemaVersion).toBe(2);
  });

  it('keeps text that is no JSON as text, for the merge to skip', () => {
    expect(parseChangeRow({ ...raw, data: '{"a":' }).data).toBe('{"a":');
  });

  it.each(['id', 'table_name', 'record_id', 'op', 'client_id', 'created_at', 'schema_version'])(
    'refuses a row without %s, with a code',
    (column) => {
      const broken = { ...raw, [column]: null };
      expect(() => parseChangeRow(broken)).toThrow(ChangeRowError);
      expect(() => parseChangeRow(broken)).toThrow(
        expect.objectContaining({ code: 'MALFORMED_CHANGE_ROW' }),
      );
    },
  );

  it('refuses an unknown op', () => {
    expect(() => parseChangeRow({ ...raw, op: 'upsert' })).toThrow(ChangeRowError);
  });
});
