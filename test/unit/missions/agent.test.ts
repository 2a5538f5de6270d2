import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseAgent, resolvePolicy } from '../../../src/missions/agent.ts';

const record = {
  id: 'agent-1',
  name: 'Ada',
  role: 'gardener',
  systemPrompt: 'Be brief',
  memory: 'Likes lists',
  state: 'active',
  maxConcurrentMissions: 2,
  maxTokensPerDay: 5000,
  policy: {
    tools: { create_task: 'deny' },
    defaultsByModule: { notes: 'auto' },
    defaultForAi: 'propose',
  },
};

describe('parseAgent', () => {
  it('reads a record as devices write it', () => {
    expect(parseAgent({ ...record, avatar: 'x' })).toEqual({ ...record, ignoredFields: [] });
  });

  it('absent fields take their defaults', () => {
    expect(parseAgent({ id: 'a' })).toEqual({
      id: 'a',
      name: '',
      role: '',
      systemPrompt: '',
      memory: '',
      state: 'active',
      maxConcurrentMissions: 1,
      maxTokensPerDay: null,
      policy: { tools: {}, defaultsByModule: {}, defaultForAi: 'propose' },
      ignoredFields: [],
    });
  });

  it('an unknown state counts as paused', () => {
    const agent = parseAgent({ ...record, state: 'snoozed' });
    expect(agent.state).toBe('paused');
    expect(agent.ignoredFields).toEqual(['state']);
  });

  it.each([0, -1, 1.5, '2', Number.NaN, {}])('maxConcurrentMissions %j is 1', (value) => {
    expect(parseAgent({ ...record, maxConcurrentMissions: value })).toMatchObject({
      maxConcurrentMissions: 1,
      ignoredFields: ['maxConcurrentMissions'],
    });
  });

  it('a budget of 0 stays 0, one below is 0, one that is no number is ignored', () => {
    expect(
      [0, -5, 99.9, null, 'x'].map(
        (maxTokensPerDay) => parseAgent({ maxTokensPerDay }).maxTokensPerDay,
      ),
    ).toEqual([0, 0, 99, null, null]);
  });

  it('broken parts of a policy are ignored and named', () => {
    const policy = { tools: { a: 'deny', b: 'maybe' }, defaultsByModule: [], defaultForAi: 3 };
    const agent = parseAgent({ ...record, policy });
    expect(agent.policy).toEqual({
      tools: { a: 'deny' },
      defaultsByModule: {},
      defaultForAi: 'propose',
    });
    expect(agent.ignoredFields).toEqual([
      'policy.tools',
      'policy.defaultsByModule',
      'policy.defaultForAi',
    ]);
    expect(parseAgent({ ...record, policy: 'deny' }).ignoredFields).toEqual(['policy']);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...Object.keys(record)), fc.anything()),
        (anything) => {
          const { policy } = parseAgent(anything);
          expect(['auto', 'propose', 'deny']).toContain(
            resolvePolicy(policy, { name: 'x', module: 'y' }),
          );
        },
      ),
    );
  });
});

describe('resolvePolicy', () => {
  const { policy } = parseAgent(record);

  it('a tool goes before its module, a module before the general default', () => {
    expect(resolvePolicy(policy, { name: 'create_task', module: 'notes' })).toBe('deny');
    expect(resolvePolicy(policy, { name: 'list_notes', module: 'notes' })).toBe('auto');
    expect(resolvePolicy(policy, { name: 'list_tasks', module: 'todo' })).toBe('propose');
  });

  it('without any policy a tool is proposed', () => {
    expect(resolvePolicy(parseAgent({}).policy, { name: 'x', module: 'y' })).toBe('propose');
  });

  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])(
    '%s finds nothing inherited',
    (name) => {
      expect(resolvePolicy(policy, { name, module: name })).toBe('propose');
    },
  );

  it('an own key __proto__ is an entry like any other and pollutes nothing', () => {
    const raw = JSON.parse(
      '{"policy":{"tools":{"__proto__":"deny"},"defaultForAi":"auto"}}',
    ) as Record<string, unknown>;
    const parsed = parseAgent(raw).policy;
    expect(resolvePolicy(parsed, { name: '__proto__', module: 'm' })).toBe('deny');
    expect(resolvePolicy(parsed, { name: 'x', module: 'm' })).toBe('auto');
  });
});
