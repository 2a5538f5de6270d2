import { describe, expect, it } from 'vitest';

import { parseAgent } from '../../../src/missions/agent.ts';
import { parseMission } from '../../../src/missions/mission.ts';
import { missionStatus } from '../../../src/missions/status.ts';

const nowMs = Date.UTC(2027, 0, 1, 12);
const MINUTE = 60_000;
const at = (ms: number) => new Date(ms).toISOString();
const dueAtMs = nowMs - MINUTE;

const record = {
  id: 'm',
  title: 'Title',
  objective: 'Objective',
  state: 'active',
  nextRunAt: at(dueAtMs),
  cadence: { kind: 'daily', atHour: 9, atMinute: 0 },
};

function status(changes: Record<string, unknown>, agent: Record<string, unknown> | null = null) {
  const mission = parseMission({ ...record, ...changes });
  return missionStatus({ mission, agent: agent === null ? null : parseAgent(agent), nowMs });
}

const run = (startedMs: number, changes: Record<string, unknown> = {}) => ({
  id: 'i',
  source: 'browser',
  overallStatus: 'running',
  startedAt: at(startedMs),
  ...changes,
});

describe('missionStatus', () => {
  it('an active mission is scheduled at its nextRunAt, past or future', () => {
    expect(status({})).toEqual({ status: 'scheduled', dueAtMs });
    expect(status({ nextRunAt: at(nowMs + MINUTE) })).toEqual({
      status: 'scheduled',
      dueAtMs: nowMs + MINUTE,
    });
  });

  it.each(['paused', 'done', 'archived'])('%s is idle without a reason', (state) => {
    expect(status({ state })).toEqual({ status: 'idle', dueAtMs: null });
  });

  it('an unknown or missing state is idle with invalid-state', () => {
    expect(status({ state: 'x' })).toEqual({
      status: 'idle',
      reason: 'invalid-state',
      dueAtMs: null,
    });
    expect(status({ state: undefined })).toEqual({
      status: 'idle',
      reason: 'invalid-state',
      dueAtMs: null,
    });
  });

  it('a nextRunAt that is no instant is idle with invalid-next-run, in every state', () => {
    const expected = { status: 'idle', reason: 'invalid-next-run', dueAtMs: null };
    expect(status({ nextRunAt: 'soon' })).toEqual(expected);
    expect(status({ nextRunAt: 'soon', state: 'paused' })).toEqual(expected);
  });

  it('no nextRunAt is idle', () => {
    expect(status({ nextRunAt: null })).toEqual({ status: 'idle', dueAtMs: null });
  });

  it('a broken cadence runs once more at its nextRunAt and says so; without one it is idle and says so', () => {
    expect(status({ cadence: { kind: 'x' } })).toEqual({
      status: 'scheduled',
      reason: 'invalid-cadence',
      dueAtMs,
    });
    expect(status({ cadence: { kind: 'x' }, nextRunAt: null })).toEqual({
      status: 'idle',
      reason: 'invalid-cadence',
      dueAtMs: null,
    });
  });

  it('any one text is enough to plan, none at all is idle with invalid-state', () => {
    expect(status({ title: null }).status).toBe('scheduled');
    expect(status({ title: null, objective: null, conceptMarkdown: 'x' }).status).toBe('scheduled');
    expect(status({ title: ' ', objective: 7 })).toEqual({
      status: 'idle',
      reason: 'invalid-state',
      dueAtMs: null,
    });
  });

  it.each(['title', 'objective', 'conceptMarkdown'])(
    'ciphertext in %s waits for a grant',
    (name) => {
      expect(status({ [name]: 'enc:2:1:x' })).toEqual({
        status: 'waiting',
        reason: 'grant-missing',
        dueAtMs: null,
      });
    },
  );

  it.each([
    [{ state: 'paused' }, 'agent-paused'],
    [{ state: 'archived' }, 'agent-archived'],
    [{ state: 'archived', maxTokensPerDay: 0 }, 'agent-archived'],
    [{ state: 'active', maxTokensPerDay: 0 }, 'agent-paused'],
  ])('agent %j: waits with %s until the agent changes', (agent, reason) => {
    expect(status({ agentId: 'a' }, { id: 'a', ...agent })).toEqual({
      status: 'waiting',
      reason,
      dueAtMs: null,
    });
  });

  it('an agent that is active, or does not exist, is no obstacle', () => {
    expect(status({ agentId: 'a' }, { id: 'a', state: 'active' }).status).toBe('scheduled');
    expect(status({ agentId: 'gone' }).status).toBe('scheduled');
  });
});

describe('missionStatus: a browser run that is open', () => {
  it('holds the mission until ten minutes after its start', () => {
    expect(status({ iterations: [run(nowMs - 4 * MINUTE)] })).toEqual({
      status: 'waiting',
      reason: 'foreground-running',
      dueAtMs: nowMs + 6 * MINUTE,
    });
  });

  it('never brings the mission forward', () => {
    const nextRunAt = at(nowMs + 60 * MINUTE);
    expect(status({ iterations: [run(nowMs)], nextRunAt }).dueAtMs).toBe(nowMs + 60 * MINUTE);
  });

  it('the latest of several counts', () => {
    const iterations = [
      run(nowMs - MINUTE),
      run(nowMs - 9 * MINUTE),
      null,
      run(nowMs - 5 * MINUTE),
    ];
    expect(status({ iterations }).dueAtMs).toBe(nowMs + 9 * MINUTE);
  });

  it.each<[string, unknown]>([
    ['began ten minutes ago', run(nowMs - 10 * MINUTE)],
    ['begins more than ten minutes ahead', run(nowMs + 10 * MINUTE + 1)],
    ['is ours', run(nowMs, { source: 'server' })],
    ['has ended', run(nowMs, { overallStatus: 'awaiting-review' })],
    ['has no readable start', run(nowMs, { startedAt: 'now' })],
  ])('one that %s holds nothing', (_, iteration) => {
    expect(status({ iterations: [iteration] })).toEqual({ status: 'scheduled', dueAtMs });
  });

  it('at the time that it named, it holds nothing any more', () => {
    const mission = parseMission({ ...record, iterations: [run(nowMs)] });
    const first = missionStatus({ mission, agent: null, nowMs });
    expect(missionStatus({ mission, agent: null, nowMs: first.dueAtMs ?? 0 }).status).toBe(
      'scheduled',
    );
  });

  it('a clock that runs a little ahead still holds it', () => {
    expect(status({ iterations: [run(nowMs + 5 * MINUTE)] }).dueAtMs).toBe(nowMs + 15 * MINUTE);
  });
});
