import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseTools, toLlmTools } from '../../../src/planner/tool-choice.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';

describe('tools on the wire', () => {
  const sent = JSON.parse(JSON.stringify(toLlmTools(CATALOG))) as ReturnType<typeof toLlmTools>;

  it('have names that no server rewrites', () => {
    for (const { function: wire } of sent) expect(wire.name).toMatch(/^[a-z0-9_]{1,64}$/);
    expect(sent).toHaveLength(CATALOG.length);
  });

  it('describe their parameters as a plain object schema that is closed and names no dialect', () => {
    for (const { type, function: wire } of sent) {
      expect(type).toBe('function');
      expect(wire.parameters).toMatchObject({ type: 'object', additionalProperties: false });
      expect(JSON.stringify(wire.parameters)).not.toContain('$schema');
    }
  });
});

it('a smaller choice of tools is the beginning of a larger one, without repeats, whatever the mission', () => {
  const modules = fc.subarray(['notes', 'tasks', 'goals', 'constructor', '__proto__']);
  fc.assert(
    fc.property(
      modules,
      fc.string({ unit: 'binary' }),
      fc.integer({ min: -1, max: 80 }),
      (inputModules, text, max) => {
        const question = {
          tools: CATALOG,
          decide: () => 'auto' as const,
          inputModules,
          missionText: text,
          approvals: new Map<string, number>(),
        };
        const all = chooseTools({ ...question, maxTools: CATALOG.length }).chosen;
        expect(new Set(all)).toEqual(new Set(CATALOG));
        const { chosen, rest } = chooseTools({ ...question, maxTools: max });
        expect([...chosen, ...rest]).toEqual(all);
        // One place is for the tool that searches the rest.
        expect(chosen).toHaveLength(max >= all.length ? all.length : Math.max(1, max - 1));
      },
    ),
    { numRuns: 50 },
  );
});
