import { expect, it } from 'vitest';
import { measureKills } from '../../scripts/bench/kills.ts';
import { onStage } from '../../scripts/bench/stage.ts';

it('a runner that is killed at fourteen seeded points of a run goes on: one row for each mission, at most one call of each is paid again', async () => {
  const figures = await onStage(4, (stage) => measureKills(stage, { runs: 14, seed: 20_261_124 }));
  expect(Object.values(figures.byPoint)).toEqual([2, 2, 2, 2, 2, 2, 2]);
  expect(figures.exactlyOnce).toBe(figures.missions);
  expect(figures.calls.mostRepeatedOfOneMission).toBeLessThanOrEqual(1);
}, 400_000);
