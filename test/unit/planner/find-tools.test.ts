import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readIterations } from '../../../src/missions/iteration.ts';
import {
  FIND_TOOLS,
  findTools,
  findToolsTool,
  foundTools,
  queryOf,
} from '../../../src/planner/find-tools.ts';
import { applyAnswer, type PlanState, startPlan } from '../../../src/planner/plan.ts';
import {
  chooseTools,
  countApprovals,
  type ToolChoice,
  toolsOfRound,
} from '../../../src/planner/tool-choice.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';

function choiceOf(changes: Partial<Parameters<typeof chooseTools>[0]> = {}): ToolChoice {
  return chooseTools({
    tools: CATALOG,
    decide: () => 'propose',
    inputModules: ['notes'],
    missionText: '',
    approvals: new Map<string, number>(),
    maxTools: 8,
    ...changes,
  });
}

function namesOfRound(choice: ToolChoice, found: readonly string[] = []): string[] {
  return toolsOfRound(choice, found, findToolsTool).map(({ name }) => name);
}

function step(id: string, status: string, toolName: string): object {
  return { id, status, intent: { kind: 'toolCall', toolName, params: {} } };
}

/** The plan after one answer that calls these tools. */
function after(
  state: PlanState,
  choice: ToolChoice,
  calls: [name: string, args: object][],
): PlanState {
  const offered = toolsOfRound(choice, foundTools(state.readings, choice), findToolsTool);
  const toolCalls = calls.map(([name, args], index) => ({
    id: `c${index}`,
    name,
    arguments: JSON.stringify(args),
  }));
  const usage = { promptTokens: 1, completionTokens: 1 };
  return applyAnswer(
    state,
    { content: '', toolCalls, usage, finishReason: 'tool_calls' },
    offered,
    {
      read: (tool, params) =>
        tool.name === FIND_TOOLS ? findTools(queryOf(params), choice).reply : null,
    },
  );
}

describe('find_tools', () => {
  it('is offered where not all tools are, within the limit', () => {
    expect(namesOfRound(choiceOf())).toHaveLength(8);
    expect(namesOfRound(choiceOf()).at(-1)).toBe(FIND_TOOLS);
    expect(namesOfRound(choiceOf({ maxTools: 256 }))).toEqual(
      choiceOf({ maxTools: 256 }).chosen.map(({ name }) => name),
    );
    expect(namesOfRound(choiceOf({ maxTools: 1 }))).toHaveLength(1);
    expect(namesOfRound(choiceOf({ maxTools: 1 }))).not.toContain(FIND_TOOLS);
  });

  it('answers with names and descriptions, and the found tools can be called from the next round on', () => {
    const choice = choiceOf();
    const first = after(startPlan({ system: 's', user: 'u' }), choice, [
      [FIND_TOOLS, { query: 'track a habit' }],
    ]);
    expect(first.steps).toEqual([]);
    expect(first.messages.at(-1)?.content).toContain('"create_habit"');
    expect(first.messages.at(-1)?.content).toContain(
      CATALOG.find(({ name }) => name === 'create_habit')?.description,
    );
    const offered = namesOfRound(choice, foundTools(first.readings, choice));
    expect(offered).toHaveLength(8);
    expect(offered).toEqual(expect.arrayContaining(['create_habit', 'create_note', FIND_TOOLS]));
    const second = after(first, choice, [
      ['create_habit', { title: 'Run', icon: 'star', color: '#22c55e' }],
    ]);
    expect(second.steps.map(({ toolName }) => toolName)).toEqual(['create_habit']);
  });

  it('leaves the plan plain JSON, from which a resumed run offers the same', () => {
    const choice = choiceOf();
    const state = after(startPlan({ system: 's', user: 'u' }), choice, [
      [FIND_TOOLS, { query: 'habit' }],
    ]);
    const restored = JSON.parse(JSON.stringify(state)) as PlanState;
    expect(foundTools(restored.readings, choice)).toEqual(foundTools(state.readings, choice));
    expect(foundTools(restored.readings, choice)).not.toEqual([]);
  });

  it('never finds or offers a denied tool, even one that was found before it was denied', () => {
    const found = foundTools([`${FIND_TOOLS} {"query":"habit"}`], choiceOf());
    expect(found).toContain('log_habit');
    const choice = choiceOf({ decide: ({ name }) => (name === 'log_habit' ? 'deny' : 'propose') });
    expect(findTools('log habit', choice).names).not.toContain('log_habit');
    expect(namesOfRound(choice, found)).not.toContain('log_habit');
  });

  it('says what there is where nothing fits', () => {
    const { names, reply } = findTools('zzz', choiceOf());
    expect(names).toEqual([]);
    expect(reply.note).toContain('habits');
  });

  it('never makes a request larger than allowed, whatever was looked for', () => {
    const queries = fc.array(
      fc.constantFrom('habit', 'invoice', 'note', 'quiz', 'book', 'mood', 'x'),
      {
        maxLength: 6,
      },
    );
    fc.assert(
      fc.property(queries, fc.integer({ min: 1, max: 70 }), (words, maxTools) => {
        const choice = choiceOf({ maxTools });
        const readings = words.map((query) => `${FIND_TOOLS} ${JSON.stringify({ query })}`);
        const names = namesOfRound(choice, foundTools(readings, choice));
        expect(names.length).toBeLessThanOrEqual(maxTools);
        expect(new Set(names).size).toBe(names.length);
      }),
    );
  });
});

describe('what the person approved', () => {
  it('goes before what nobody has used, after what the mission asks for', () => {
    const approvals = new Map([
      ['create_quiz', 1],
      ['log_mood', 3],
    ]);
    const { chosen } = choiceOf({ approvals, missionText: 'my habits', maxTools: 12 });
    const names = chosen.map(({ name }) => name);
    expect(names.indexOf('create_note')).toBeLessThan(names.indexOf('create_habit'));
    expect(names.slice(names.indexOf('log_habit') + 1, names.indexOf('log_habit') + 3)).toEqual([
      'log_mood',
      'create_quiz',
    ]);
  });

  it('is counted by tool, approved steps only', () => {
    const plan = [
      step('1', 'approved', 'a'),
      step('2', 'approved', 'a'),
      step('3', 'rejected', 'b'),
      { id: '4' },
    ];
    expect(countApprovals(readIterations([{ id: 'i', plan }]))).toEqual(new Map([['a', 2]]));
  });
});
