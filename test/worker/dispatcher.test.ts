import { env } from 'cloudflare:workers';
import { reset, runInDurableObject } from 'cloudflare:test';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Dispatcher, TurnReport } from '../../durable-objects/dispatcher.ts';
import type { WorkerEnv } from '../../src/mana-ai/index.ts';

const bindings = env as unknown as WorkerEnv;

afterEach(() => reset());

/** Leases last as long as the process: each test has a dispatcher of its own. */
function freshDispatcher(): DurableObjectStub<Dispatcher> {
  return bindings.DISPATCHER.getByName(crypto.randomUUID());
}

function report(userId: string, nextDueMs: number | null): TurnReport {
  return {
    userId,
    nextDueMs,
    turn: 'planned',
    plansProduced: 1,
    plansWrittenBack: 1,
    parseFailures: 0,
    error: null,
  };
}

describe('permits', () => {
  it('are held by no more users than the limit, and pass on when a turn ends', async () => {
    const dispatcher = freshDispatcher();
    expect(await dispatcher.acquirePermit('a')).toBe('granted');
    expect(await dispatcher.acquirePermit('b')).toBe('granted');
    let third = 'waiting';
    const acquired = dispatcher.acquirePermit('c').then((answer) => (third = answer));
    await dispatcher.queueState();
    expect(third).toBe('waiting');
    await dispatcher.release(report('a', null));
    expect(await acquired).toBe('granted');
  });

  it('go to those who asked first, whoever asks meanwhile', async () => {
    const dispatcher = freshDispatcher();
    for (const userId of ['a', 'b']) await dispatcher.acquirePermit(userId);
    const order: string[] = [];
    const waiting = ['c', 'd', 'e'].map(async (userId) =>
      order.push(userId, await dispatcher.acquirePermit(userId)),
    );
    await dispatcher.queueState();
    for (const userId of ['a', 'b', 'c']) await dispatcher.release(report(userId, null));
    await Promise.all(waiting);
    expect(order.filter((word) => word !== 'granted')).toEqual(['c', 'd', 'e']);
  });

  it('are refused while the LLM is down, until one probe may test it', async () => {
    const dispatcher = freshDispatcher();
    await dispatcher.acquirePermit('a');
    await dispatcher.reportCall('a', {
      missionId: 'm',
      kind: 'outage',
      code: 'LLM_UNREACHABLE',
      message: 'away',
      retryAfterMs: null,
    });
    expect(await dispatcher.acquirePermit('b')).toBe('llm-down');
    expect((await dispatcher.dependencies()).llm).toMatchObject({
      ok: false,
      error: { code: 'LLM_UNREACHABLE' },
    });
    await dispatcher.reportCall('a', { missionId: 'm', kind: 'ok' });
    expect(await dispatcher.acquirePermit('b')).toBe('granted');
  });

  it('stay away for one back-off where many calls were in flight when the LLM went down', async () => {
    const dispatcher = freshDispatcher();
    await dispatcher.acquirePermit('a');
    await dispatcher.acquirePermit('b');
    const away = {
      missionId: 'm',
      kind: 'outage',
      code: 'LLM_UNREACHABLE',
      message: 'away',
      retryAfterMs: null,
    } as const;
    for (let call = 0; call < 10; call += 1)
      await dispatcher.reportCall(call % 2 === 0 ? 'a' : 'b', away);
    const failures = await runInDurableObject(dispatcher, (_object, state) =>
      state.storage.sql.exec<{ failures: number }>('select failures from outages').one(),
    );
    expect(failures).toEqual({ failures: 1 });
  });

  it('of a turn that was cut off without a word are free once its user asks again, and go to those who asked before', async () => {
    const dispatcher = freshDispatcher();
    for (const userId of ['a', 'b']) await dispatcher.acquirePermit(userId);
    const order: string[] = [];
    const asked = ['c', 'a'].map(async (userId) =>
      order.push(userId, await dispatcher.acquirePermit(userId)),
    );
    await asked[0];
    await dispatcher.release(report('b', null));
    await asked[1];
    expect(order).toEqual(['c', 'granted', 'a', 'granted']);
  });

  it('of leases that ran out pass on to those who wait', async () => {
    const dispatcher = freshDispatcher();
    for (const userId of ['a', 'b']) await dispatcher.acquirePermit(userId);
    const acquired = dispatcher.acquirePermit('c');
    await dispatcher.queueState();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    try {
      await dispatcher.register([]);
      expect(await acquired).toBe('granted');
    } finally {
      vi.useRealTimers();
    }
  });

  it('are not given while the process drains', async () => {
    const dispatcher = freshDispatcher();
    await dispatcher.drain();
    expect(await dispatcher.acquirePermit('a')).toBe('draining');
  });
});

describe('a pass on demand', () => {
  it('refuses a second one meanwhile and ends when nothing is due', async () => {
    const dispatcher = freshDispatcher();
    expect(await dispatcher.startPass('one')).toMatchObject({ state: 'done', open: 0 });
    expect(await dispatcher.startPass('two')).toEqual({ state: 'overlap' });
    await dispatcher.endPass('one');
    expect(await dispatcher.startPass('three')).toMatchObject({ state: 'done' });
  });
});
