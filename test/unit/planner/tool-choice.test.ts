import { describe, expect, it } from 'vitest';
import { chooseTools } from '../../../src/planner/tool-choice.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';

function choose(changes: Partial<Parameters<typeof chooseTools>[0]>): string[] {
  const question = {
    tools: CATALOG,
    decide: () => 'propose' as const,
    inputModules: [],
    missionText: '',
    approvals: new Map<string, number>(),
    maxTools: 64,
  };
  return chooseTools({ ...question, ...changes }).chosen.map(({ name }) => name);
}

describe('the choice of tools', () => {
  it('offers the whole catalog in its order where there is room', () => {
    expect(choose({})).toEqual(CATALOG.map(({ name }) => name));
  });

  it('never offers a denied tool, and treats auto like propose', () => {
    const names = choose({
      decide: ({ name, module }) =>
        name === 'create_task' ? 'deny' : module === 'notes' ? 'auto' : 'propose',
    });
    expect(names).not.toContain('create_task');
    expect(names).toContain('create_note');
    expect(choose({ decide: () => 'deny' })).toEqual([]);
  });

  it('puts the modules of the inputs first, then the words of the mission, then the rest', () => {
    const names = choose({
      inputModules: ['goals'],
      missionText: 'Review my notes and write to my kontakte',
      maxTools: 12,
    });
    expect(names.slice(0, 4)).toEqual([
      'create_goal',
      'pause_goal',
      'resume_goal',
      'complete_goal',
    ]);
    expect(names).toContain('create_note');
    expect(names).toContain('create_contact');
    expect(names.at(-1)).toBe('complete_task');
    expect(names).toHaveLength(11);
  });

  it('knows that inputs of the module tasks belong to todo', () => {
    expect(choose({ inputModules: ['tasks'], maxTools: 1 })).toEqual(['create_task']);
    expect(choose({ inputModules: ['constructor'], maxTools: 1 })).toEqual(['create_task']);
  });

  it('reads German words too, inflected ones included', () => {
    expect(choose({ missionText: 'Behalte meine Gewohnheiten im Blick', maxTools: 3 })).toEqual([
      'create_habit',
      'log_habit',
    ]);
  });

  it('says the same twice, and copes with a megabyte of text', () => {
    const missionText = 'Plan meals and quizzes '.repeat(50_000);
    expect(choose({ missionText, maxTools: 16 })).toEqual(choose({ missionText, maxTools: 16 }));
  });
});
