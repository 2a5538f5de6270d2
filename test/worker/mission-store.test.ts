import { env } from 'cloudflare:workers';
import { evictDurableObject, reset, runInDurableObject } from 'cloudflare:test';
import { afterEach, describe, expect, it } from 'vitest';
import { MissionStore } from '../../durable-objects/projection/mission-store.ts';
import type { WorkerEnv } from '../../src/mana-ai/index.ts';
import { emptyState, type RecordState } from '../../src/sync/merge.ts';

const bindings = env as unknown as WorkerEnv;

afterEach(() => reset());

function stateWith(value: unknown): RecordState {
  return {
    ...emptyState(),
    fields: { objective: { value, stampUs: 1, createdUs: 1, rowId: 'r' } },
  };
}

describe('the store of a user', () => {
  it('keeps a record of many megabytes, surrogate pairs across its parts included', async () => {
    const stub = bindings.USER_MISSIONS.getByName('big');
    const state = stateWith(`a${'\u{1f600}'.repeat(1_500_000)}`);
    await runInDurableObject(stub, (_instance, { storage }) => {
      const store = new MissionStore(storage.sql);
      store.saveRecord('aiMissions', 'm', state);
      expect(store.record('aiMissions', 'm')).toEqual(state);
    });
  });

  it('keeps records, due times and runs over an eviction', async () => {
    const stub = bindings.USER_MISSIONS.getByName('evicted');
    await runInDurableObject(stub, (_instance, { storage }) => {
      const store = new MissionStore(storage.sql);
      store.saveRecord('aiMissions', 'm', stateWith('x'));
      store.setDue('m', 5);
      store.saveRun({ runId: 'run', missionId: 'm', body: '{}' });
    });
    await evictDurableObject(stub);
    await runInDurableObject(stub, (_instance, { storage }) => {
      const store = new MissionStore(storage.sql);
      expect(store.nextDue()).toEqual({ missionId: 'm', readyMs: 5 });
      expect(store.runOf('m')).toEqual({ runId: 'run', missionId: 'm', body: '{}' });
    });
  });

  it('drops the cache of another version, asks for a rebuild, and keeps what was paid for', async () => {
    const stub = bindings.USER_MISSIONS.getByName('upgraded');
    await runInDurableObject(stub, (_instance, { storage }) => {
      const old = new MissionStore(storage.sql);
      old.saveRecord('aiMissions', 'm', stateWith('x'));
      old.setMeta('complete', 'true');
      old.saveRun({ runId: 'run', missionId: 'm', body: '{}' });
      old.setMeta('cache_version', 'of an older build');
      const store = new MissionStore(storage.sql);
      expect([store.isComplete(), store.recordIds('aiMissions')]).toEqual([false, []]);
      expect(store.runOf('m')?.runId).toBe('run');
    });
  });

  it('holds a failing mission back without holding back the others', async () => {
    const stub = bindings.USER_MISSIONS.getByName('failing');
    await runInDurableObject(stub, (_instance, { storage }) => {
      const store = new MissionStore(storage.sql);
      store.setDue('bad', 1);
      store.setDue('good', 2);
      store.saveAttempt('bad', { failures: 1, retryAtMs: 100, code: 'LLM_BAD_ANSWER' });
      expect(store.nextDue()?.missionId).toBe('good');
      store.setDue('good', null);
      expect(store.nextDue()).toEqual({ missionId: 'bad', readyMs: 100 });
    });
  });

  it('holds a mission until a time, or until a change where it knows none', async () => {
    const stub = bindings.USER_MISSIONS.getByName('held');
    await runInDurableObject(stub, (_instance, { storage }) => {
      const store = new MissionStore(storage.sql);
      store.setDue('m', 5);
      store.saveHold('m', { reason: 'budget', untilMs: 90 });
      expect(store.nextDue()).toEqual({ missionId: 'm', readyMs: 90 });
      store.saveHold('m', { reason: 'grant-missing', untilMs: null });
      expect([store.nextDue(), store.hold('m')]).toEqual([
        null,
        { reason: 'grant-missing', untilMs: null },
      ]);
      store.setDue('other', 7);
      expect(store.nextDue()).toEqual({ missionId: 'other', readyMs: 7 });
      store.clearHold('m');
      expect(store.nextDue()).toEqual({ missionId: 'm', readyMs: 5 });
    });
  });
});
