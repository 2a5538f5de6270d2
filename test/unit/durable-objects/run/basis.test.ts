import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { termsOf } from '../../../../durable-objects/run/basis.ts';
import type { GrantClaims } from '../../../../src/grants/index.ts';
import { parseAgent } from '../../../../src/missions/agent.ts';
import { parseMission } from '../../../../src/missions/mission.ts';

const MISSION = {
  id: 'm',
  title: 'Title',
  objective: 'Objective',
  conceptMarkdown: 'Concept',
  state: 'active',
  agentId: 'a',
  inputs: [{ module: 'notes', table: 'notes', id: 'n1' }],
  iterations: [],
  nextRunAt: '2026-01-01T00:00:00.000Z',
};
const AGENT = {
  id: 'a',
  name: 'Ada',
  role: 'Helper',
  systemPrompt: 'Be kind',
  memory: 'Likes tea',
  policy: { tools: { create_task: 'propose' }, defaultsByModule: {}, defaultForAi: 'propose' },
};
const CLAIMS = {
  jti: 'j',
  records: ['notes:n1'],
  llm: 'any',
  keysHash: 'h',
  exp: 9,
} as unknown as GrantClaims;

function terms(
  changes: {
    mission?: Record<string, unknown>;
    agent?: Record<string, unknown> | null;
    zone?: string;
    claims?: Partial<GrantClaims> | null;
  } = {},
): Promise<string> {
  const { mission, agent, zone = 'UTC', claims } = changes;
  return termsOf({
    mission: parseMission({ ...MISSION, ...mission }),
    agent: agent === null ? null : parseAgent({ ...AGENT, ...agent }),
    zone,
    claims: claims === null ? null : { ...CLAIMS, ...claims },
  });
}

describe('the terms of a run', () => {
  it.each([
    ['title', { mission: { title: 'Other' } }],
    ['title, sealed', { mission: { title: 'enc:2:1:AAAA.BBBB' } }],
    ['objective', { mission: { objective: 'Other' } }],
    ['concept', { mission: { conceptMarkdown: '' } }],
    ['inputs, one less', { mission: { inputs: [] } }],
    ['inputs, another record', { mission: { inputs: [{ ...MISSION.inputs[0], id: 'n2' }] } }],
    ['inputs, another table', { mission: { inputs: [{ ...MISSION.inputs[0], table: 'x' }] } }],
    ['agent of the mission', { mission: { agentId: null } }],
    ['agent that is gone', { agent: null }],
    ['role', { agent: { role: 'Boss' } }],
    ['system prompt', { agent: { systemPrompt: 'Be rude' } }],
    ['memory', { agent: { memory: '' } }],
    [
      'policy of a tool',
      { agent: { policy: { ...AGENT.policy, tools: { create_task: 'deny' } } } },
    ],
    [
      'policy of a module',
      { agent: { policy: { ...AGENT.policy, defaultsByModule: { todo: 'deny' } } } },
    ],
    ['policy of all', { agent: { policy: { ...AGENT.policy, defaultForAi: 'deny' } } }],
    ['zone', { zone: 'Europe/Berlin' }],
    ['grant', { claims: null }],
    ['jti', { claims: { jti: 'k' } }],
    ['records, one less', { claims: { records: [] } }],
    ['records, one more', { claims: { records: ['notes:n1', 'notes:n2'] } }],
    ['llm', { claims: { llm: 'local' as const } }],
    ['keysHash', { claims: { keysHash: 'i' } }],
    ['sealed', { claims: { sealed: true } }],
  ])('are others with another %s', async (_what, changes) => {
    expect(await terms(changes)).not.toBe(await terms());
  });

  it.each([
    ['state', { mission: { state: 'paused' } }],
    ['nextRunAt', { mission: { nextRunAt: '2027-01-01T00:00:00.000Z' } }],
    ['iterations', { mission: { iterations: [{ id: 'i' }] } }],
    ['name of the agent', { agent: { name: 'Bob' } }],
    ['order of keys', { mission: { inputs: [{ id: 'n1', table: 'notes', module: 'notes' }] } }],
  ])('are the same with another %s: nothing is paid again for it', async (_what, changes) => {
    expect(await terms(changes)).toBe(await terms());
  });

  it('are equal for equal words alone, wherever one text ends and the next begins', async () => {
    const words = fc.string();
    await fc.assert(
      fc.asyncProperty(words, words, words, words, async (a, b, c, d) => {
        const one = await terms({ mission: { title: a, objective: b } });
        const other = await terms({ mission: { title: c, objective: d } });
        expect(one === other).toBe(a === c && b === d);
      }),
    );
  });
});
