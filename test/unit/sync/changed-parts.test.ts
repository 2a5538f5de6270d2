import { expect, test } from 'vitest';
import { changedParts } from '../../../src/sync/changed-parts.ts';
import { applyRow, type RecordState } from '../../../src/sync/merge.ts';
import { toRow } from '../../../src/sync/write-back.ts';

let writes = 0;

function write(
  state: RecordState | null,
  data: Record<string, unknown>,
  op: 'update' | 'delete' = 'update',
): RecordState {
  writes += 1;
  const at = `2027-01-01T00:00:00.${String(writes).padStart(6, '0')}Z`;
  const row = {
    id: `00000000-0000-4000-8000-${String(writes).padStart(12, '0')}`,
    appId: 'ai' as const,
    tableName: 'aiMissions',
    recordId: 'm1',
    userId: 'u1',
    op,
    data,
    fieldMeta: Object.fromEntries(Object.keys(data).map((name) => [name, at])),
    clientId: 'mana-edge-api' as const,
    actor: {},
    origin: 'user' as const,
    spaceId: null,
  };
  return applyRow(state, toRow(row, at)).state;
}

test('a new record is told whole', () => {
  expect(
    changedParts(null, write(null, { title: 'T', iterations: [{ id: 'a' }, { id: 'b' }] })),
  ).toEqual(['', 'a', 'b']);
});

test('only iterations that are new or different are told', () => {
  const before = write(null, { title: 'T', iterations: [{ id: 'a', n: 1 }, { id: 'b' }] });
  expect(
    changedParts(
      before,
      write(before, { iterations: [{ id: 'a', n: 2 }, { id: 'b' }, { id: 'c' }] }),
    ),
  ).toEqual(['a', 'c']);
});

test('fields, an iteration that went and being deleted are changes of the mission', () => {
  const before = write(null, { title: 'T', iterations: [{ id: 'a' }, { id: 'b' }] });
  expect(changedParts(before, write(before, { title: 'U' }))).toEqual(['']);
  expect(changedParts(before, write(before, { iterations: [{ id: 'b' }] }))).toEqual(['']);
  expect(changedParts(before, write(before, {}, 'delete'))).toEqual(['']);
});

test('a write of the same values is no change', () => {
  const before = write(null, { title: 'T', iterations: [{ id: 'a', n: 1 }] });
  expect(
    changedParts(before, write(before, { title: 'T', iterations: [{ n: 1, id: 'a' }] })),
  ).toEqual([]);
});
