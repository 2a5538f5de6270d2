import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { measureHerd } from '../../scripts/bench/herd.ts';
import { onStage } from '../../scripts/bench/stage.ts';
import { dueMission, writeRecord } from './support/device.ts';
import { isSecondRound, plan } from './support/llm-stub.ts';
import { waitFor } from './support/runner.ts';
import { useStage } from './support/stage.ts';

it('a thousand users due at one second are each planned once, in bounded memory and files, never more at once than allowed', async () => {
  const options = { missions: 1_000, latencyMs: 0, concurrency: 16, countFsyncs: false };
  const figures = await onStage(16, (stage) => measureHerd(stage, options));
  expect(figures.iterations).toEqual({ missions: 1_000, exactlyOnce: 1_000 });
  expect(figures.calls.made).toBe(figures.calls.ideal);
  expect(figures.calls.mostAtOnce).toBeLessThanOrEqual(16);
  // Two Workers take about 100 MB by themselves; without bounds a herd of this size took 640 MB, and three files for each user.
  expect(figures.workerd.peakRssMb).toBeLessThan(320);
  expect(figures.workerd.peakFiles).toBeLessThan(600);
}, 600_000);

const stage = useStage();

it('a user with 200 missions due keeps nobody who is due later waiting for more than his share', async () => {
  const { postgres, llm, runner } = stage;
  const gate = Promise.withResolvers<void>();
  llm.behave(async (body) => {
    await gate.promise;
    return plan(body);
  });
  const greedy = randomUUID();
  for (let n = 0; n < 200; n += 1) {
    const data = dueMission({ objective: 'of the greedy user' });
    await writeRecord(postgres, { userId: greedy, recordId: `m${n}`, data });
  }
  await waitFor(() => llm.requests[0], 'the greedy user to begin');
  const modest = Array.from({ length: 20 }, () => randomUUID());
  for (const userId of modest) {
    const data = dueMission({
      objective: 'of a modest user',
      nextRunAt: '2026-02-01T00:00:00.000Z',
    });
    await writeRecord(postgres, { userId, recordId: 'm', data });
  }
  await waitFor(async () => {
    const health = await (await runner.get('/health')).json<{ tick: { queued: number } }>();
    return health.tick.queued > modest.length ? true : undefined;
  }, 'everybody to be queued');
  gate.resolve();
  const begun = (): string[] =>
    llm.requests
      .filter(({ body }) => !isSecondRound(body))
      .map(({ body }) => JSON.stringify(body.messages));
  const ofModest = (): number => begun().filter((text) => text.includes('of a modest user')).length;
  await waitFor(
    () => (ofModest() === modest.length ? true : undefined),
    'all modest users to begin',
    60_000,
  );
  // One turn that was under way, and one in which the modest users took theirs.
  expect(begun().length - modest.length).toBeLessThanOrEqual(3);
});
