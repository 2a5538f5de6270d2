import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { OwnerMission } from '../../src/missions/views.ts';
import {
  removeWithProcesses,
  runEmbedded,
  tokenOf,
  untilNoProcess,
  waitFor,
} from './support/runner.ts';

let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(`${tmpdir()}/mana-edge-dev-`);
});

afterEach(async () => {
  await removeWithProcesses(dataDir);
});

it('npm run dev answers /health, plans the demo mission in miniflare, and Ctrl-C ends every process', async () => {
  const running = await runEmbedded('dev', dataDir);
  const headers = { authorization: `Bearer ${await tokenOf(running)}` };
  const reading = await waitFor(
    async () => {
      const response = await fetch(`${running.url}/api/v1/me/missions`, { headers }).catch(
        () => undefined,
      );
      if (response?.status !== 200) return undefined;
      const { missions } = await response.json<{ missions: OwnerMission[] }>();
      return missions.find(({ id, iterations }) => id === 'demo-reading' && iterations.length > 0);
    },
    'the demo mission to be planned',
    40_000,
  );
  expect(reading).toMatchObject({ status: 'scheduled', iterations: [{ source: 'server' }] });
  const health = await fetch(`${running.url}/health`);
  expect(await health.json()).toMatchObject({ status: 'ok', tick: { enabled: true } });
  running.interrupt();
  await running.exited;
  await untilNoProcess(dataDir);
});
