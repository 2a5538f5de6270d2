import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseInstantMs } from '../../../src/values/instant.ts';
import { readIterations } from '../../../src/missions/iteration.ts';
import { isEncrypted, parseMission } from '../../../src/missions/mission.ts';

const record = {
  id: 'mission-1',
  title: 'Weekly review',
  objective: 'Look at my open tasks',
  conceptMarkdown: '# Notes',
  state: 'active',
  nextRunAt: '2027-01-01T10:00:00.000Z',
  agentId: 'agent-1',
  inputs: [{ module: 'notes', table: 'notes', id: 'n1' }],
  iterations: [{ id: 'i1' }],
  grant: { token: 't' },
  cadence: { kind: 'daily', atHour: 9, atMinute: 0 },
};

describe('parseMission', () => {
  it('reads a record as devices write it', () => {
    expect(parseMission(record)).toEqual({
      id: 'mission-1',
      title: 'Weekly review',
      objective: 'Look at my open tasks',
      conceptMarkdown: '# Notes',
      state: 'active',
      nextRunAt: { kind: 'at', ms: Date.UTC(2027, 0, 1, 10), iso: '2027-01-01T10:00:00.000Z' },
      agentId: 'agent-1',
      inputs: [{ module: 'notes', table: 'notes', id: 'n1' }],
      iterations: [{ id: 'i1' }],
      grant: { token: 't' },
      cadence: { ok: true, cadence: { kind: 'daily', atHour: 9, atMinute: 0 } },
      ignoredFields: [],
    });
  });

  it('absent fields take neutral values and are not called ignored', () => {
    expect(parseMission({ id: 'm', agentId: null })).toEqual({
      id: 'm',
      title: '',
      objective: '',
      conceptMarkdown: '',
      state: 'invalid',
      nextRunAt: { kind: 'none' },
      agentId: null,
      inputs: [],
      iterations: [],
      grant: null,
      cadence: { ok: false },
      ignoredFields: [],
    });
  });

  it('unusable fields are ignored and named, the others stay', () => {
    const mission = parseMission({
      ...record,
      title: 7,
      objective: ['x'],
      state: 'sleeping',
      nextRunAt: 'tomorrow',
      agentId: '',
      inputs: 'notes/n1',
      iterations: { 0: 'x' },
      cadence: { kind: 'daily', atHour: 25, atMinute: 0 },
    });
    expect(mission).toMatchObject({
      title: '',
      objective: '',
      conceptMarkdown: '# Notes',
      state: 'invalid',
      nextRunAt: { kind: 'invalid' },
      agentId: null,
      inputs: [],
      iterations: [],
      cadence: { ok: false },
    });
    expect(mission.ignoredFields.toSorted()).toEqual(
      [
        'agentId',
        'cadence',
        'inputs',
        'iterations',
        'nextRunAt',
        'objective',
        'state',
        'title',
      ].toSorted(),
    );
  });

  it('valid input refs among garbage are kept, without their extra keys', () => {
    const good = { module: 'tasks', table: 'tasks', id: 't1' };
    const inputs = [
      null,
      'x',
      [],
      { module: 'notes' },
      { ...good, extra: 1 },
      { ...good, id: '' },
      { ...good, id: 5 },
    ];
    const mission = parseMission({
      ...record,
      inputs: [...inputs, { ...good, id: 'x'.repeat(9000) }],
    });
    expect(mission.inputs).toEqual([good]);
    expect(mission.ignoredFields).toEqual(['inputs']);
  });

  it('iterations are passed on untouched, garbage included', () => {
    const iterations = [null, 3, { id: 'i1', unknown: true }];
    expect(parseMission({ ...record, iterations }).iterations).toEqual(iterations);
  });

  it('inherited properties are no fields', () => {
    expect(parseMission(Object.create(record) as Record<string, unknown>).title).toBe('');
  });

  it('never throws, whatever the fields hold', () => {
    const keys = fc.constantFrom(...Object.keys(record), '__proto__', 'constructor');
    fc.assert(
      fc.property(fc.dictionary(keys, fc.anything()), (anything) => {
        const mission = parseMission(anything);
        expect(readIterations(mission.iterations)).toBeInstanceOf(Array);
      }),
      { numRuns: 1000 },
    );
  });

  it('a megabyte of objective and 5,000 iterations are read in passing', () => {
    const iterations = Array.from({ length: 5000 }, (_, index) => ({
      id: `i${index}`,
      plan: [{ id: 's' }],
    }));
    const mission = parseMission({ ...record, objective: 'x'.repeat(1_000_000), iterations });
    expect(mission.objective).toHaveLength(1_000_000);
    expect(readIterations(mission.iterations)).toHaveLength(5000);
  });
});

describe('isEncrypted', () => {
  it('goes by the prefix alone', () => {
    expect(['enc:2:1:abc', 'enc:', ' enc:2', 'ENC:2', 'encrypted', ''].map(isEncrypted)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('parseInstantMs', () => {
  it.each([
    ['2026-01-01T10:00:00Z', Date.UTC(2026, 0, 1, 10)],
    ['2026-01-01T12:00:00+02:00', Date.UTC(2026, 0, 1, 10)],
    ['2026-01-01T10:00:00.123456Z', Date.UTC(2026, 0, 1, 10, 0, 0, 123)],
  ])('%s is an instant', (text, ms) => {
    expect(parseInstantMs(text)).toBe(ms);
  });
  it.each([
    null,
    undefined,
    1_767_261_600_000,
    '',
    '2026-01-01',
    '2026-01-01T10:00:00',
    '2026-01-01T10:00Z',
    '2026-01-01 10:00:00Z',
    '2026-02-30T10:00:00Z',
    '2026-01-01T25:00:00Z',
    '2026-01-01T10:00:00+99:00',
    ' 2026-01-01T10:00:00Z',
    '2026-01-01T10:00:00Z\n',
    'Thu Jan 01 2026',
    '9'.repeat(1_000_000),
  ])('case %# is no instant', (value) => {
    expect(parseInstantMs(value)).toBeNull();
  });
});

describe('readIterations', () => {
  it('reads what a device wrote', () => {
    const step = { id: 'i1-0', summary: 's', rationale: 'r', status: 'approved', proposalId: 'p' };
    const call = { kind: 'toolCall', toolName: 'create_task', params: { title: 'x' } };
    const views = readIterations([
      {
        id: 'i1',
        startedAt: '2026-01-01T10:00:00.000Z',
        finishedAt: '2026-01-01T10:01:00.000Z',
        plan: [
          { ...step, intent: call },
          { ...step, id: 'i1-1', status: 'planned', intent: { kind: 'note', body: 'b' } },
        ],
        summary: 'done',
        userFeedback: 'fewer tasks',
        source: 'browser',
        overallStatus: 'approved',
        cancelRequested: true,
      },
    ]);
    expect(views).toEqual([
      {
        id: 'i1',
        startedAtMs: Date.UTC(2026, 0, 1, 10),
        finishedAtMs: Date.UTC(2026, 0, 1, 10, 1),
        source: 'browser',
        overallStatus: 'approved',
        cancelRequested: true,
        summary: 'done',
        userFeedback: 'fewer tasks',
        plan: [
          { id: 'i1-0', summary: 's', rationale: 'r', status: 'approved', intent: call },
          {
            id: 'i1-1',
            summary: 's',
            rationale: 'r',
            status: 'planned',
            intent: { kind: 'note', body: 'b' },
          },
        ],
      },
    ]);
  });

  it('garbage is left out, unreadable fields are null', () => {
    expect(readIterations('x')).toEqual([]);
    expect(readIterations([null, 1, 'x', [], {}, { id: 5 }, { id: '' }])).toEqual([]);
    expect(
      readIterations([
        { id: 'a', plan: [null, { id: 's', intent: { kind: 'magic' } }, {}], source: 'cli' },
      ]),
    ).toEqual([
      {
        id: 'a',
        startedAtMs: null,
        finishedAtMs: null,
        source: null,
        overallStatus: null,
        cancelRequested: false,
        summary: null,
        userFeedback: null,
        plan: [{ id: 's', summary: null, rationale: null, status: null, intent: null }],
      },
    ]);
  });
});
