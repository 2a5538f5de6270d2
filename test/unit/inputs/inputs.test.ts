import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatInput, inputSource } from '../../../src/inputs/index.ts';

const SECRET = 'enc:2:1:c2VjcmV0.c2VjcmV0';
const MODULES = ['goals', 'notes', 'tasks', 'todo', 'calendar', 'journal', 'kontext', 'profile'];

describe('the source of an input', () => {
  it('is a table of the app that owns the module', () => {
    expect(inputSource({ module: 'todo', table: 'tasks', id: 't1' })).toEqual({
      appId: 'todo',
      tableName: 'tasks',
      recordId: 't1',
      needsGrant: true,
    });
    expect(inputSource({ module: 'tasks', table: 'tasks', id: 't1' })?.appId).toBe('todo');
  });

  it('needs no grant for goals, and for nothing else: not for another table of theirs either', () => {
    expect(inputSource({ module: 'goals', table: 'companionGoals', id: 'g' })).toMatchObject({
      appId: 'companion',
      needsGrant: false,
    });
    expect(inputSource({ module: 'goals', table: 'companionChats', id: 'g' })?.needsGrant).toBe(
      true,
    );
    for (const module of MODULES.slice(1)) {
      expect(inputSource({ module, table: 'companionGoals', id: 'g' })?.needsGrant).toBe(true);
    }
  });

  it.each([
    ['ai', 'aiMissions'],
    ['constructor', 'notes'],
    ['', 'notes'],
    ['notes', 'no-tes'],
    ['notes', ''],
    ['notes', 'a'.repeat(65)],
  ])('is none for module %j and table %j', (module, table) => {
    expect(inputSource({ module, table, id: 'x' })).toBeNull();
  });
});

describe('an input as text', () => {
  it('shows a goal with its progress and its id', () => {
    const goal = {
      id: 'g1',
      title: 'Read twelve books',
      status: 'active',
      currentValue: 4,
      target: { value: 12, period: 'year', comparison: 'gte' },
    };
    expect(formatInput('goals', goal)).toEqual({
      ok: true,
      module: 'goals',
      title: 'Read twelve books',
      text: 'Id: g1\nGoal: Read twelve books\nTarget: 12\nStatus: active\nCurrent value: 4\nPeriod: year\nComparison: gte',
    });
  });

  it('shows plaintext records of the other modules', () => {
    expect(formatInput('notes', { id: 'n', title: 'Ideas', content: 'Milk' })).toMatchObject({
      text: 'Id: n\nTitle: Ideas\nContent: Milk',
    });
    expect(
      formatInput('todo', { id: 't', title: 'Buy', dueDate: '2027-01-02', isCompleted: false }),
    ).toMatchObject({
      text: 'Id: t\nTask: Buy\nDue: 2027-01-02\nCompleted: false',
    });
    expect(formatInput('kontext', { id: 'k', content: 'I am a baker.' })).toMatchObject({
      title: 'Context',
      text: 'Id: k\nContext: I am a baker.',
    });
  });

  it('leaves encrypted fields out and shows the rest', () => {
    const reading = formatInput('tasks', {
      id: 't',
      title: 'Buy',
      description: SECRET,
      priority: SECRET,
    });
    expect(reading).toMatchObject({ ok: true, text: 'Id: t\nTask: Buy' });
  });

  it('is encrypted where the readable fields say nothing', () => {
    const reading = formatInput('tasks', { id: 't', title: SECRET, dueDate: '2027-01-02' });
    expect(reading).toEqual({ ok: false, reason: 'encrypted' });
  });

  it('is missing where there is no record, or nothing in it', () => {
    expect(formatInput('goals', null)).toEqual({ ok: false, reason: 'missing' });
    expect(formatInput('goals', { id: 'g', title: 7n, target: [] })).toEqual({
      ok: false,
      reason: 'missing',
    });
  });

  it('is refused for a module that it does not know', () => {
    expect(formatInput('constructor', {})).toEqual({ ok: false, reason: 'unsupported-module' });
  });

  it('never shows ciphertext and never throws, whatever devices wrote', () => {
    const value = fc.oneof(fc.constantFrom(SECRET, ` ${SECRET}`), fc.jsonValue());
    const names = [
      'id',
      'title',
      'content',
      'description',
      'target',
      'status',
      'name',
      'mood',
      'dueDate',
      '__proto__',
    ];
    const record = fc.dictionary(
      fc.constantFrom(...names),
      fc.oneof(value, fc.record({ value, period: value })),
    );
    fc.assert(
      fc.property(fc.constantFrom(...MODULES), record, (module, fields) => {
        expect(JSON.stringify(formatInput(module, fields))).not.toContain('enc:2:1');
      }),
    );
  });
});
