import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answerRead,
  type ReadRecord,
  readToolsFor,
  tablesRead,
} from '../../../src/planner/reads/index.ts';
import { jsonSchemaOf } from '../../../src/planner/tools/tool.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';

const context = { nowMs: Date.parse('2027-01-08T23:30:00Z'), timeZone: 'Europe/Berlin' };

function of(tableName: string, recordId: string, record: Record<string, unknown>): ReadRecord {
  return { tableName, recordId, record };
}

const records: readonly ReadRecord[] = [
  of('notes', 'n1', { title: 'Garden', content: 'Tomatoes and basil' }),
  of('notes', 'n2', { title: 'Old', content: 'Roses', isArchived: true }),
  of('notes', 'n3', { title: 'enc:2:1:abc', content: 'Readable part' }),
  of('tasks', 't1', { title: 'Buy soil', dueDate: '2027-01-09', priority: 'high' }),
  of('tasks', 't2', { title: 'Pay rent', dueDate: '2027-01-01' }),
  of('tasks', 't3', { title: 'Call Ada', isCompleted: true }),
  of('tasks', 't4', { title: 'Rake', status: 'done', dueDate: '2027-01-01' }),
  of('events', 'e1', {
    title: 'Lunch',
    startTime: '2027-01-09T11:00:00Z',
    endTime: '2027-01-09T12:00:00Z',
  }),
  of('events', 'e2', { title: 'Past', startTime: '2026-12-01T11:00:00Z' }),
  of('events', 'e3', { title: 'Trip', startTime: '2027-01-08', endTime: '2027-01-12' }),
  of('companionGoals', 'g1', {
    title: 'Read',
    currentValue: 3,
    target: { value: 12, unit: 'books' },
  }),
  of('companionGoals', 'g2', { title: 'Run', status: 'paused' }),
];

function ask(
  name: string,
  params: Record<string, unknown> = {},
  visible = records,
): { items?: { id: string }[] } {
  return answerRead(name, params, { records: visible, ...context }) as { items?: { id: string }[] };
}

function ids(name: string, params: Record<string, unknown> = {}): string[] | undefined {
  return ask(name, params).items?.map(({ id }) => id);
}

const ALL_TABLES = new Set(['notes', 'tasks', 'events', 'companionGoals']);

describe('reading tools', () => {
  it('are offered for the tables that the run may see, and for no others', () => {
    expect(readToolsFor(new Set(['notes'])).map(({ name }) => name)).toEqual([
      'list_notes',
      'get_note',
    ]);
    expect(readToolsFor(new Set(['journal']))).toEqual([]);
    expect([...tablesRead(['get_note', 'list_tasks', 'create_task'])]).toEqual(['notes', 'tasks']);
  });

  it('have names of their own and schemas that a server takes', () => {
    const tools = readToolsFor(ALL_TABLES);
    const names = [...tools, ...CATALOG].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const tool of tools) {
      expect(tool.kind).toBe('read');
      expect(jsonSchemaOf(tool)).toMatchObject({ type: 'object', additionalProperties: false });
    }
  });

  it('list notes by words, archived ones only where asked', () => {
    expect(ids('list_notes')).toEqual(['n1', 'n3']);
    expect(ids('list_notes', { includeArchived: true, limit: 2 })).toEqual(['n1', 'n2']);
    expect(ask('list_notes', { includeArchived: true, limit: 2 })).toMatchObject({ more: 1 });
    expect(ids('list_notes', { query: 'BASIL' })).toEqual(['n1']);
    expect(ask('get_note', { noteId: 'n1' })).toEqual({
      items: [{ id: 'n1', title: 'Garden', content: 'Tomatoes and basil' }],
    });
  });

  it("list tasks by what they are on the person's day", () => {
    expect(ids('list_tasks')).toEqual(['t1', 't2']);
    expect(ids('list_tasks', { filter: 'completed' })).toEqual(['t3', 't4']);
    expect(ids('list_tasks', { filter: 'overdue' })).toEqual(['t2']);
    // 23:30 UTC is the 9th in Berlin.
    expect(ids('list_tasks', { filter: 'today' })).toEqual(['t1']);
    expect(ids('list_tasks', { filter: 'all' })).toHaveLength(4);
    expect(ask('get_task_stats')).toMatchObject({ open: 2, completed: 2, overdue: 1, today: 1 });
  });

  it('list events of a day and from a day on, longer ones included, in their order', () => {
    expect(ids('get_todays_events')).toEqual(['e3', 'e1']);
    expect(ids('list_events')).toEqual(['e3', 'e1']);
    expect(ids('list_events', { from: '2026-01-01' })).toEqual(['e2', 'e3', 'e1']);
    expect(ids('list_events', { from: '2026-01-01', to: '2026-12-31' })).toEqual(['e2']);
  });

  it('tell the progress of a goal where the numbers are there', () => {
    expect(ids('list_goals')).toEqual(['g1']);
    expect(ids('list_goals', { filter: 'paused' })).toEqual(['g2']);
    expect(ask('get_goal_progress', { goalId: 'g1' }).items).toMatchObject([
      { id: 'g1', percent: 25, unit: 'books' },
    ]);
    expect(ask('get_goal_progress', { goalId: 'g2' }).items?.[0]).not.toHaveProperty('percent');
  });

  it('never show ciphertext', () => {
    expect(JSON.stringify(ask('list_notes', { includeArchived: true }))).not.toContain('enc:');
  });

  it('say of a record that is not shared nothing but that', () => {
    const missing = { items: [], note: expect.stringContaining('shared') as unknown };
    expect(ask('get_note', { noteId: 'n9' })).toEqual(missing);
    expect(ask('get_note', { noteId: 't1' })).toEqual(missing);
    expect(ask('get_task', { taskId: 'x' })).toEqual(missing);
    expect(ask('get_event', { eventId: 'x' })).toEqual(missing);
    expect(ask('get_goal_progress', { goalId: 'x' })).toEqual(missing);
  });

  it('depend on the records of their own table alone', () => {
    const tools = readToolsFor(ALL_TABLES);
    const anyRecord = fc.record({
      tableName: fc.constantFrom('journal', 'contacts', 'aiMissions'),
      recordId: fc.string(),
      record: fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<Record<string, unknown>>,
    });
    fc.assert(
      fc.property(fc.constantFrom(...tools), fc.array(anyRecord), (tool, others) => {
        const params = { noteId: 'n1', taskId: 't1', eventId: 'e1', goalId: 'g1' };
        expect(ask(tool.name, params, [...others, ...records])).toEqual(ask(tool.name, params));
      }),
    );
  });

  it('answer plain JSON for any record', () => {
    const shape = fc.dictionary(
      fc.constantFrom(
        'title',
        'content',
        'dueDate',
        'startTime',
        'endTime',
        'status',
        'currentValue',
        'target',
      ),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(fc.constantFrom(...readToolsFor(ALL_TABLES)), shape, (tool, record) => {
        const visible = [...ALL_TABLES].map((table) =>
          of(table, 'r', record as Record<string, unknown>),
        );
        const params = { noteId: 'r', taskId: 'r', eventId: 'r', goalId: 'r', filter: 'all' };
        const text = JSON.stringify(ask(tool.name, params, visible));
        expect(text.isWellFormed()).toBe(true);
      }),
    );
  });
});
